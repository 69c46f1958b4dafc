"""Everyday English, third part: more instances of the commonest kinds, by the list rather than by theme.

One concept a line: its name, then words that are instances of it. See `lexicon`.
"""

NAMES = """
animal: alligator ape baboon badger bat beaver bison buffalo bull calf camel cheetah chicken chimpanzee chipmunk
 coyote crab crocodile donkey duck ferret flamingo gerbil hedgehog hen hippo hippopotamus hyena jaguar jellyfish lamb
 lemur leopard llama alpaca lobster mammal moose mule octopus orangutan orca otter ox oyster panda panther peacock
 pelican platypus pony porcupine puma raven reindeer rhino rhinoceros rooster salamander seahorse skunk sloth snail
 stingray swan toad vulture walrus weasel wildcat worm yak cub herd mammoth
pet: chinchilla ferret gerbil hedgehog budgie canary cockatiel iguana tarantula betta cockatoo
dog: bloodhound chow dalmatian doberman greyhound hound maltese mastiff pomeranian pooch pug rottweiler samoyed setter
 shihtzu whippet canine
bird: canary cardinal chicken cockatoo crane dove falcon finch flamingo heron jay kingfisher magpie ostrich peacock
 pelican puffin raven rooster seagull starling stork swallow vulture woodpecker wren budgie
fish: carp catfish cod eel guppy halibut herring mackerel perch pike sardine shark snapper swordfish tilapia walleye
insect: caterpillar cicada cockroach cricket dragonfly firefly fly grasshopper mosquito mantis scorpion termite tick
 wasp
plant: aloe azalea bamboo basil begonia bush carnation chrysanthemum daffodil dandelion fern foliage geranium grass
 hedge hibiscus hydrangea iris ivy jasmine lavender lilac magnolia marigold mint moss petunia poppy rosemary sage
 seedling shrub snapdragon sprout terrarium thyme vine violet weed
tree: ash aspen birch cedar chestnut elm eucalyptus fir hickory juniper maple palm poplar redwood sequoia spruce
 sycamore walnut bonsai
food: asparagus avocado bagel baguette biscuit brisket broccoli brownie burrito butter cabbage casserole cauliflower
 celery cereal cheddar chili chips chutney cracker croissant dip dumpling enchilada falafel feta fritter garlic
 gnocchi granola gravy guacamole gyro ham hamburger honey hotdog hummus jam jelly jerky kebab ketchup lasagne lentil
 macaroni mayo mayonnaise meatball meatloaf mushroom mustard nacho oatmeal omelet paella pancake parmesan peanut pesto
 pickle pierogi popcorn porridge pretzel quesadilla quiche quinoa ravioli risotto roll salami salmon salsa sauce
 sausage schnitzel slaw syrup tamale teriyaki toast tofu tortilla turkey vinegar waffle wings wrap yogurt zucchini
 appetizer buffet feast entree leftovers
dessert: biscotti biscuit cannoli churro cinnamon cobbler crepe crumble eclair fudge gingerbread honey jello
 marshmallow meringue mousse pancake parfait popsicle scone shortcake snickerdoodle souffle sprinkles strudel sugar
 tiramisu toffee topping torte truffle turnover vanilla waffle
fruit: apricot blackberry cantaloupe cranberry fig gooseberry grapefruit guava kiwi lime lychee mandarin melon
 nectarine papaya passionfruit persimmon plum pomegranate prune raisin rhubarb tangerine
vegetable: artichoke arugula asparagus beet cabbage cauliflower celery chard chili eggplant garlic leek lentil
 mushroom okra parsnip pumpkin radish squash sprouts turnip yam
drink: ale champagne cider cappuccino espresso gin kombucha liquor margarita martini milk mocha rum sake sangria shake
 sip tequila whisky
cuisine: cuisine cooking mexican italian chinese indian japanese thai korean vietnamese french greek spanish
 mediterranean moroccan turkish ethiopian lebanese cajun creole
instrument: accordion bagpipe bongo bugle cymbal fiddle flugelhorn horn mandolin organ percussion piccolo recorder
 sitar synthesizer tambourine timpani trombone tuba viola xylophone
music: acoustic anthem ballad bluegrass chord chorus dubstep edm electronic electronica funk gospel grunge harmony hip
 hop indie instrumental karaoke lofi lullaby lyrics opera punk reggaeton remix rhythm rnb serenade ska soul soundtrack
 symphony techno trance vinyl
sport: archery athletics biathlon bowling canoeing climbing cheerleading crossfit curling darts decathlon diving
 dodgeball equestrian frisbee handball jiujitsu judo karate kayaking kickball lacrosse marathon paddling
 paintball parkour pickleball ping pingpong polo racquetball racing rollerblading rowing sailing skateboarding skating
 skiing sledding snowboarding squash surfing taekwondo triathlon
dance: ballerina bachata bolero breakdance charleston disco flamenco foxtrot jive mambo pirouette polka quickstep
 rumba swing tap twerk zumba dancefloor recital
art: calligraphy cartoon charcoal collage crayon easel engraving etching fresco graffiti illustration impressionist
 ink masterpiece mosaic oil pastel pen pencil photography portfolio printmaking realism stencil surrealism tapestry
craft: basket beadwork beads candlemaking stitch decoupage glass handcraft handicraft leatherwork macrame needlework
 papercraft quilting sewing soap upholstery weave whittle
book: anthology atlas audiobook autobiography bestseller comic cookbook dictionary diary ebook encyclopedia essay
 fairytale fable hardcover kindle magazine manga manuscript nonfiction novella page paragraph playwright plot prose
 publication saga textbook tome
film: anime blockbuster cinematography documentary flick marvel oscar pixar premiere prequel remake romcom thriller
 trailer
game: arcade bingo boardgame charades controller crossword dominoes fps gameplay joystick jigsaw lan mmo multiplayer
 pinball platformer quest quiz roleplay simulator sudoku trivia
clothes: apron bathrobe beanie belt bikini blazer blouse boot bow bra cap cape cardigan corset denim dungarees flannel
 footwear garment glove gloves gown handbag heels helmet hosiery jersey jumpsuit kimono leggings lingerie mittens
 moccasins necktie nightgown overalls pajamas pants pantyhose parka polo poncho purse robe romper sandal shawl shorts
 slippers sneaker sock socks stockings suit sunglasses sweatshirt swimsuit tank tie tights trousers tunic turtleneck
 tuxedo underwear uniform veil vest wardrobe wig
jewelry: amethyst anklet bangle bead brooch cufflink emerald gem gemstone locket opal pearl ruby sapphire tiara
 turquoise
furniture: armchair bench bookshelf bunk cabinet closet couch crib cupboard cushion drawer futon hammock headboard
 mirror nightstand ottoman pillow recliner stool wardrobe
appliance: appliance dishwasher dryer fridge freezer refrigerator microwave oven stove toaster blender mixer vacuum
 washer kettle fryer heater conditioner grill
vehicle: ambulance audi bmw buick cadillac camper canoe caravan chevy chevrolet chrysler convertible coupe dodge ferry
 fiat gmc helicopter hyundai jet kia lamborghini lexus limousine limo lorry maserati mazda mercedes minivan mitsubishi
 moped nissan pickup porsche rv sedan ship sled snowmobile sportscar subaru subway taxi tractor tram trailer trolley
 uber volkswagen volvo wagon yacht
carcare: alignment battery bumper carburetor clutch dent exhaust gasket gearbox headlight hood muffler oil paint
 radiator spark sparkplug suspension transmission turbo upholstery wheel windshield
profession: accounting actuary advisor agent analyst animator anthropologist archaeologist astronaut astronomer
 attorney author babysitter baker barber biologist blogger broker builder butcher caregiver cashier chemist
 chiropractor cleaner clerk coder comedian composer conductor consultant contractor cook curator dancer dentist
 detective dietitian director driver economist editor educator entertainer executive farmer fisherman florist gardener
 geologist guard hairdresser hairstylist historian housekeeper illustrator influencer inspector instructor intern
 interpreter janitor jeweler judge landscaper lecturer lifeguard machinist mailman marketer mathematician midwife
 miner model nanny navigator novelist optometrist painter paralegal paramedic pharmacist philosopher physicist
 physician physiotherapist planner poet politician postman potter principal producer psychiatrist publicist
 radiologist ranger realtor receptionist reporter researcher sailor salesperson scholar sculptor seamstress secretary
 security singer sociologist stylist superintendent surgeon surveyor tailor technician teller trader translator tutor
 typist underwriter videographer waitress welder worker youtuber zoologist
company: company employer brand google amazon apple microsoft facebook meta tesla nike adidas starbucks walmart target
 mcdonalds disney ikea costco netflix uber intel samsung sony
illness: acne anemia arthritis autism bronchitis cataract chickenpox cholesterol cold concussion constipation
 coronavirus covid cough dementia alzheimer diabetic eczema epilepsy fatigue fibromyalgia glaucoma hepatitis
 hypertension indigestion inflammation insomnia jaundice leukemia lupus malaria measles nausea osteoporosis parkinson
 pneumonia psoriasis rash seizure sinus stroke thyroid tuberculosis tumor ulcer vertigo vomit
injury: bandage burn concussion crutches cut dislocate fractured hamstring ligament rehab sling sore splint sprained
 stitches strain swollen tendon torn twist twisted whiplash acl
body: ankle belly bone brain calf cheek chest chin ear elbow eye face finger foot forehead forearm gut heel hip jaw
 kidney lip liver lung mouth nail nose palm rib shin skin skull spine spleen thigh throat thumb toe tongue tooth waist
 wrist
city: albuquerque anchorage athens baltimore birmingham brisbane bristol brooklyn brussels bucharest budapest buenos
 aires cairo calgary cancun charlotte chennai cincinnati cleveland copenhagen delhi dresden dublin edinburgh florence
 frankfurt geneva glasgow hamburg hanoi havana helsinki honolulu houston indianapolis jakarta jerusalem johannesburg
 kyoto liverpool lima manchester manhattan manila marrakech melbourne memphis milwaukee montreal mumbai munich nairobi
 naples nyc oakland oakville omaha orlando osaka oslo ottawa philadelphia pittsburgh prague quebec reykjavik riga rio
 sacramento salem santiago sapporo savannah seville stockholm tampa taipei tucson tulsa turin valencia warsaw winnipeg
 zurich antonio diego jose
country: afghanistan algeria american argentine asian austria australian bangladesh belgium bolivia brazilian british
 bulgaria cambodia canadian caribbean croatia czech danish dominican dutch ecuador egyptian english estonia ethiopia
 european filipino finnish french german ghana greek guatemala haiti honduras hungary iceland indian iraq irish
 italian jamaica japanese jordan korean laos latvia lebanon libya lithuania luxembourg madagascar malaysia malta
 mexican moroccan mongolia nepal nicaragua nigeria norwegian pakistan panama paraguay puerto romania russian rwanda
 saudi scottish senegal serbia singapore slovakia slovenia somalia spanish sudan swedish swiss syria taiwan tanzania
 thai tibet tunisia uganda ukraine uruguay venezuela vietnamese welsh wales yemen zambia zimbabwe
state: alabama arkansas dakota delaware idaho iowa kansas kentucky maryland mississippi missouri nebraska hampshire
 jersey mexico oklahoma rhode wyoming county province region
place: airport alley attic bar basement bridge cabin cafe campus canyon cave chapel cliff clinic corner county
 coffeehouse district dock farm forest fountain garage garden harbor hill hotel island jungle lakeside library
 lighthouse lodge mall market meadow monument neighborhood office orchard path pier plaza pond pool port resort
 restaurant river sanctuary school shore site spot square stadium station suburb theater trail valley venue winery
 yard zoo
park: yellowstone yosemite canyon zion glacier everglades disneyland disney
color: amber aqua azure beige bronze brunette burgundy charcoal copper coral cream crimson cyan indigo ivory khaki
 lavender magenta maroon mint navy olive peach pastel plum ruby scarlet silver tan teal turquoise violet hue shade
language: dutch farsi gaelic greek hebrew hindi indonesian latin linguistics polish swahili swedish tagalog thai
 turkish urdu vietnamese vocabulary duolingo dialect
subject: accounting algebra anatomy anthropology archaeology architecture astronomy botany business calculus civics
 criminology drama geology geometry journalism linguistics marketing neuroscience nursing nutrition sociology
 statistics theology zoology mathematics
technology: algorithm android battery bluetooth browser charger chip cloud cybersecurity database drone earbuds
 electronics email firmware gps hardware headphones headset ios ipad iphone keyboard laptop macbook microphone monitor
 mouse printer processor projector router scanner server smartwatch speaker usb wifi vr
media: tiktok reddit snapchat twitch linkedin pinterest whatsapp tweet blogger influencer subscriber viral vlogger
kin: ancestor bro grandchild grandchildren granddaughter grandkids grandson grandparents hubby inlaw kinfolk mommy
 daddy sibling sis stepbrother stepdad stepmom stepsister son daughter triplet widow
person: person people guy man woman male female boy girl lady gentleman adult folk individual stranger human
personality: adventurous assertive calm cautious charismatic charming cheerful clever clumsy confident considerate
 curious dedicated dependable diligent easygoing energetic enthusiastic extrovert friendly funny gentle gregarious
 helpful humble humorous imaginative impulsive innovative intelligent introvert intuitive kindhearted lazy mature
 messy meticulous modest moody nurturing organized outspoken perfectionist persistent polite practical quiet rational
 rebellious reliable reserved resourceful responsible sarcastic selfless sensible sensitive serious sincere smart
 sociable spontaneous stubborn studious supportive talkative tolerant trustworthy warm wise witty
happy: bliss cheer content elated enjoyable euphoric fulfilled grin jolly laughter merry overjoyed satisfied smile
 thrilling delight
sad: blue bummed crushed dejected devastated devastating gloomy grief heartbreak hopeless miserable regret sob tearful
 unfortunate weep
fear: dread horror intimidated intimidating nightmare petrified spooked threat uneasy
anger: aggravated argue argument bitter conflict fight hostile irate outraged pissed quarrel resent
stress: chaotic deadline frantic hectic nervous overwork pressured strain tension
weather: blizzard breeze chilly cloudy drizzle drought foggy freezing frost gust hail heatwave humid icy lightning
 mild mist muggy overcast scorching shower sleet temperature thunderstorm tropical windy
disaster: avalanche blaze catastrophe evacuate explosion famine landslide mudslide outbreak pandemic quake rubble
 tsunami typhoon volcano wreck
money: allowance bill bills bonus bucks cash coin credit currency dollar earnings expense fee fortune funds
 inheritance insurance interest mortgage payment payroll poor poverty profit purchase refund rent revenue rich
 scholarship stock tax wallet wage
business: bakery boutique brand ceo client commerce contract dealership dropshipping ecommerce etsy firm founder
 franchise freelance industry invoice manufacturer merchandise merchant office partner partnership retail sponsor
 stall stock supplier wholesale warehouse
job: apprentice career coworker duties employ freelance fulltime gig livelihood occupation overtime payroll recruit
 recruiter trade vacancy workplace
education: academic academy apprenticeship bachelor classroom classmate coursework curriculum dean dissertation
 dropout elementary enroll essay faculty freshman gpa homework honors kindergarten lecture literacy master phd
 preschool pupil sophomore syllabus tuition undergraduate
health: bandage cardiologist checkup dental dentist dermatologist diagnosed dose healthcare immune injection mri
 operation pharmacy physiotherapy prognosis remedy scan specialist transplant ultrasound vaccine xray
military: airforce bootcamp captain colonel combat deploy deployment enlist enlisted lieutenant sergeant squad tank
politics: ballot bill capitol citizen congress council councilman democracy diplomat governor legislation lobby
 parliament poll referendum tax
religion: altar baptism blessing catholicism clergy communion congregation devotion divine gospel hindu holy islam
 jesus judaism lent meditation ministry monk nun pastor pilgrimage preach prophet protestant rabbi ramadan sacred
 saint sermon soul synagogue worship zen
holiday: diwali hanukkah independence kwanzaa memorial mardi passover ramadan xmas eid
gift: bouquet card donated gifted keepsake memento package parcel presents
travel: airbnb airplane backpack bags boarding camping cab excursion expedition ferry globetrotter guidebook itinerary
 jetlag layover luggage map postcard resort route safari sail shuttle souvenir stopover suitcase ticket tourism train
 trek traveler voyage wander wanderlust weekend
outdoor: backyard bonfire binoculars cabin canoe cliff compass creek dune firewood glamping geocaching hunt hunting
 kayak lantern meadow mushroom orienteering outing sunshine swamp terrain
relax: aromatherapy cozy cuddle hammock jacuzzi leisure lounge mellow nap quiet read recharge retreat sauna slow soak
 spa stroll sunbathe tea therapy vacation walk
hobby: archery astronomy birding blogging brewing calligraphy chess coding cosplay cycling dancing drawing drone
 gardening genealogy geocaching hunting juggling karaoke kayaking magic metalwork modeling origami pottery
 puzzles quilting running sailing scrapbooking sculpting sewing singing skating sketching skiing snowboarding
 stargazing thrifting traveling volunteering woodwork writing
home: address apt attic balcony basement bathroom bungalow ceiling chores cottage deck door dorm driveway duplex
 estate farm farmhouse fireplace floor garage hallway hearth homeowner household housing lawn lease loft patio porch
 roof suburb tenant townhouse trailer villa wall window yard
school: classmates detention graduation highschool homework lunch pupil recess semester student teacher
birth: adoptive delivery infant maternity midwife newborn parenthood
death: ashes cancer casket coffin condolence deceased funeral killed mourning murder obituary suicide widow widower
romance: affair affection anniversary attraction cheated couple courtship dated fling flirt hookup kiss lover marriage
 proposal soulmate tinder valentine
friend: acquaintance bff bro classmate crew dude gang neighbour pals roomie schoolmate
support: advocate advice ally aid boost counsel encouraging guidance hug listen reassurance reassure therapy uplifting
volunteer: aid ambulance beneficiary charities cleanup donor fundraising giveback humanitarian mission nonprofits
 outreach philanthropy
"""

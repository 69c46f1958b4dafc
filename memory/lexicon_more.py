"""Everyday English, second part: doings, places, seasons, hobbies and things in more detail.

One concept a line: its name, then the words that are instances of it or stand for it. See `lexicon`.
"""

MORE = """
kindness: kind kindness generous caring compassion compassionate thoughtful empathy sweet selfless
respect: respect admire appreciate value honor
trust: trust honest honesty loyal loyalty reliable
patience: patience patient persistence perseverance determination determined dedicated dedication committed
 hardworking resilience resilient driven discipline
freedom: freedom free independent independence liberty escape
hope: hope hopeful optimistic positive wish faith
love: love loved affection adore passion passionate heart dear
lonely: lonely alone isolated loneliness solitude miss missing
bored: bored boring dull tired routine
tired: tired exhausted fatigue sleepy drained burnout overworked busy
busy: busy hectic swamped packed schedule workload deadline balance
balance: balance juggle manage time priority schedule routine
habit: habit routine daily morning ritual regular regularly schedule everyday
morning: morning breakfast early wake sunrise dawn
night: night evening late dinner bedtime dark stars
weekend: weekend saturday sunday friday
summer: summer vacation beach hot sunny
winter: winter snow cold christmas ski
spring: spring bloom
autumn: autumn fall leaves halloween
beach: beach ocean sea sand shore coast waves surf seashell swim
forest: forest woods tree trail nature hike camp wilderness jungle
lake: lake river pond fishing boat kayak canoe swim
island: island hawaii bali caribbean bahamas maldives tropical beach
desert: desert sand cactus arizona sahara dry
farm: farm barn cow horse chicken field rural countryside ranch harvest
garden: garden gardening flower vegetable plant yard backyard soil grow
waterfall: waterfall river falls cascade hike
castle: castle palace medieval tower fortress tourist
church: church temple cathedral chapel mosque synagogue prayer
hospital: hospital doctor nurse emergency er surgery clinic ward patient
doctor: doctor physician nurse medical checkup clinic appointment diagnosed prescription
medicine: medicine medication pill drug treatment prescription vitamin supplement vaccine
weight: weight fat obese obesity diet pounds lose lighter healthy fitness
heart: heart blood pressure cardiac cholesterol
body: body back knee leg arm hand head shoulder neck stomach muscle
pain: pain ache hurt sore discomfort injury chronic
smoking: smoke smoking cigarette tobacco quit addiction alcohol drinking sober
addiction: addiction addicted substance alcohol drug recovery habit
sugar: sugar soda candy sweet snack junk chocolate dessert
healthyfood: salad vegetable fruit smoothie grilled healthy nutrition yogurt oatmeal quinoa nuts veggie
pizza: pizza pepperoni topping cheese italian
breakfast: breakfast pancake waffle egg toast cereal oatmeal bacon coffee
baking: bake baking baked cake cookie bread oven pastry muffin flour
asianfood: sushi ramen noodle rice curry dumpling stirfry tofu japanese chinese thai korean
milk: milk dairy cream cheese butter yogurt coconut almond soy oat
wine: wine beer cocktail drink tasting vineyard winery whiskey
rockmusic: rock metal punk band guitar concert aerosmith queen beatles acdc
classical: classical bach mozart beethoven chopin vivaldi orchestra symphony piano violin opera
singer: singer vocalist pop star sheeran swift adele beyonce drake musician
studio: studio recording space room dance gym workshop
album: album record song track single release music
lyrics: lyrics song write words rap poem
festival: festival fest fair carnival parade celebration event
fair: fair market booth stall festival expo
theaterplay: play musical broadway theater drama stage acting audition role
actor: actor actress acting audition role film movie star celebrity
celebrity: celebrity famous star fame idol
director: director film producer crew cast script
scifi: scifi science fiction space alien star wars trek dune future robot
fantasybook: fantasy harry potter hobbit tolkien rings thrones narnia magic wizard rowling
fairy: fairy tale story myth legend disney princess
mystery: mystery thriller detective crime suspense sherlock
history: history historical ancient century museum heritage medieval past
philosophy: philosophy psychology self development mindset stoic
selfhelp: selfhelp mindset habits motivation leadership productivity
bookclub: book club reading group discuss
poetry: poetry poem poet verse haiku lyric
journal: journal journaling diary write notebook
letter: letter note mail postcard card handwritten
library: library librarian bookstore books
computer: computer pc laptop desktop monitor keyboard mouse graphics setup
app: app application mobile software platform tool develop
website: website site web page online blog
robot: robot robotics drone machine automation
ai: ai artificial intelligence machine learning data algorithm
data: data analysis analytics statistics database
videogame: videogame game zelda mario pokemon fortnite minecraft witcher cyberpunk valorant overwatch halo fifa
 starcraft nintendo switch xbox playstation
tournament: tournament competition championship finals bracket contest win
chess: chess board strategy checkmate
cards: card poker deck magic uno blackjack
basketball: basketball nba hoop court dunk lebron curry lakers celtics warriors timberwolves team
football: football nfl quarterback touchdown league premier soccer goal liverpool chelsea arsenal barcelona
baseball: baseball bat pitcher homerun mlb inning dodgers yankees
tennis: tennis racket court serve wimbledon
golf: golf club course hole swing
hockey: hockey ice puck rink skate
swim: swim swimming pool lap swimmer dive water
cycling: cycling bike bicycle biking ride cyclist mountain
climbing: climb climbing boulder bouldering rope mountain peak rappel
hiking: hike hiking trail trek mountain walk backpack summit
camping: camp camping tent campfire marshmallow outdoors stargazing sleeping
boating: boat sail sailing yacht ferry cruise kayak canoe
skydiving: skydive skydiving parachute bungee paragliding adrenaline extreme thrill
adventure: adventure adventurous explore thrill exciting expedition journey daring
yoga: yoga pose meditation pilates stretch flexibility mat retreat
boxing: boxing kickboxing punch ring fight gym
gym: gym workout weights trainer fitness lift exercise
race: race marathon run charity finish 5k 10k triathlon
coach: coach trainer instructor mentor train team
shoes: shoes sneakers boots heels sandals nike adidas
brand: brand nike adidas gatorade puma company sponsor endorsement deal
fashion: fashion style trend outfit design designer clothing model boutique
model: model modeling figure miniature build kit
makeup: makeup beauty cosmetics skin hair salon spa
hair: hair dye color haircut salon curly blonde
tattooing: tattoo ink design arm meaning
shelving: bookshelf shelf table chair sofa lamp desk build assemble wood
woodwork: wood woodworking carve carving carpentry furniture build
sewing: sew sewing knit knitting crochet fabric yarn quilt scarf sweater
painting: paint painting painter canvas art watercolor acrylic brush landscape portrait
drawing: draw drawing sketch doodle pencil illustration comic
sculpture: sculpture statue clay carve bronze marble
pottery: pottery clay ceramics bowl mug vase pot kiln plate cup
photography: photography photo camera shoot shot picture capture landscape wildlife portrait
cars: car vintage classic ford mustang restore engine vehicle dodge charger chevrolet corvette
motorcycle: motorcycle motorbike harley bike ride
flight: flight fly flew plane airport airline pilot
hotel: hotel resort stay room booked reservation
passport: passport visa citizenship immigration green card
relatives: family parents mom dad siblings home together relatives visit
siblings: sister brother sibling twin younger older
grandparents: grandma grandmother grandpa grandfather granny grandparents nana
couple: couple together partner husband wife boyfriend girlfriend anniversary date
wedding: wedding marry married bride groom ceremony vows reception
proposal: propose proposal ring engaged engagement
divorce: divorce divorced separated split breakup ex
babies: baby newborn pregnant birth toddler crib
school: school elementary kindergarten classroom principal kids students teacher
college: college university campus dorm degree major freshman
degree: degree bachelor master phd diploma graduate graduated thesis
research: research study experiment lab paper professor scientist discovery
physics: physics quantum universe astronomy science space
engineering: engineering engineer mechanical electrical civil technical build design
calling: career job path field goal dream pursue professional
retire: retire retired retirement pension
layoff: laid layoff fired unemployed lost job quit resign
advancement: promotion promoted raise manager lead senior
salary: salary pay wage income bonus money raise
startup: startup venture entrepreneur founder business launch funding investors
store: store shop boutique market retail online mall
customer: customer client buyer shopper order feedback
marketing: marketing advertise promote social campaign brand influencer
office: office desk workplace cubicle meeting coworker
coworker: coworker colleague boss team manager
project: project task initiative assignment development program
presentation: presentation slides pitch speech talk present
conference: conference convention summit seminar panel workshop symposium
workshop: workshop class seminar training session course
volunteering: volunteer shelter homeless food bank soup kitchen charity help serve
donate: donate donation charity give fundraise raise money cause
homeless: homeless shelter poverty poor needy
orphans: orphanage orphan kids children foster underprivileged mentor camp
veterans: veteran military soldier served army
election: election vote campaign candidate run office mayor
policy: policy government education infrastructure reform law politics
protest: protest rally demonstration activism
women: woman women feminist female girl
ethnicity: race ethnicity culture heritage roots background
immigration: immigrate immigrant moved country abroad home
police: police officer cop ticket fine speeding
crime: crime theft stolen steal rob robbery burglary
insurance: insurance claim policy coverage
repair: repair broken fix plumber leak damage
damage: damage broken flood ruined destroyed leak
power: power electricity outage blackout
storm: storm hurricane tornado thunder flood rain
snow: snow snowy ski winter ice snowman sled
sunset: sunset sunrise dusk dawn sky horizon
stars: star stars stargazing meteor telescope galaxy constellation night
moon: moon lunar eclipse space
rain: rain rainy umbrella storm wet
peace: peace peaceful calm serenity tranquil quiet serene nature
cope: cope coping deal handle manage overcome stress grief
overcome: overcome conquer beat persevere resilience challenge
comfort: comfort cozy comforting soothe warm hug
hug: hug kiss cuddle embrace
candle: candle scent aromatherapy lavender incense
bath: bath bubble shower spa
massage: massage spa relax
tea: tea coffee cup drink cafe latte
chocolate: chocolate cocoa brownie fudge candy
icecream: ice cream sundae sorbet gelato scoop flavor vanilla
cake: cake cupcake frosting birthday bake cheesecake
soup: soup stew broth chowder warm
meat: meat beef chicken pork steak turkey bacon grill
seafood: seafood fish shrimp lobster crab salmon sushi oyster
vegetarian: vegetarian vegan plant meatless tofu
spice: spice spicy flavor herb garlic ginger cinnamon basil rosemary
thanksgiving: thanksgiving turkey holiday dinner
christmas: christmas tree santa gift carol lights
halloween: halloween costume pumpkin spooky
newyear: newyear resolution countdown
party: party celebrate birthday bash guests gathering
gathering: gathering reunion together friends family party
necklace: necklace pendant locket chain jewelry ring bracelet
flag: flag rainbow symbol banner
plush: toy stuffed doll teddy lego plush
aquarium: aquarium fish tank marine reef
reptile: reptile turtle snake lizard gecko tortoise iguana
dogtrain: train obedience trick agility sit leash puppy
dogpark: dog park walk leash fetch playdate
breed: breed labrador retriever shepherd husky poodle corgi beagle mix pup
vet: vet veterinarian clinic checkup pet
feather: bird feather parrot binoculars birdwatching
tree: tree oak pine maple willow cherry blossom leaves
rose: rose tulip daisy sunflower lily orchid peony bouquet flower dahlia
northamerica: usa america canada mexico us states york california
europe: europe france italy spain germany england ireland greece sweden switzerland portugal paris rome london
 barcelona
asia: asia japan china india thailand korea vietnam tokyo kyoto bali singapore
landmark: eiffel colosseum tower bridge statue monument pyramid liberty gate
westcoast: california seattle angeles francisco portland oregon washington san diego
eastcoast: york boston florida miami washington philadelphia carolina
ages: teen teenager twenties thirties forties kid adult young old
numbered: two three four five six seven eight nine ten eleven twelve dozen hundred twice couple several
dated: yesterday ago last next tomorrow recently
"""

"""Everyday English, first part: people, animals, food, arts, sports, work, health, feelings.

One concept a line: its name, then the words that are instances of it or stand for it. See `lexicon`.
"""

LIFE = """
kin: family relative kin household parent mother mom mum mama father dad papa sister brother sibling aunt uncle cousin
 niece nephew grandma grandmother granny grandpa grandfather grandparent stepmother stepfather twin
child: child children kid son daughter baby toddler infant newborn boy girl teen teenager youth kids grandchild
spouse: spouse husband wife partner fiance fiancee married marry marriage wedding bride groom honeymoon anniversary
 engaged engagement propose proposal
romance: relationship date dating boyfriend girlfriend single breakup divorce divorced ex romantic crush love partner
friend: friend friendship buddy pal mate companion bestie roommate neighbor neighbour colleague teammate
birth: birth born pregnant pregnancy baby newborn adopt adoption foster fertility delivery
parenting: adopt adoption foster raise parent mom dad motherhood fatherhood custody
death: death die died dead loss lost grief grieve mourn funeral passed memorial pass tombstone grave cemetery
pet: pet dog puppy pup cat kitten kitty hamster rabbit bunny parrot goldfish turtle tortoise lizard snake gecko guinea
 vet leash groom shelter breed paw fur
dog: dog puppy pup doggo labrador retriever beagle poodle bulldog terrier husky collie dachshund corgi chihuahua
 spaniel shepherd pitbull mutt leash bark fetch breed
cat: cat kitten kitty feline siamese persian tabby purr litter
animal: animal wildlife creature horse cow pig sheep goat bear wolf fox deer elephant lion tiger monkey gorilla
 giraffe zebra kangaroo koala dolphin whale shark seal penguin owl eagle hawk squirrel raccoon mouse frog dinosaur zoo
 safari
bird: bird eagle hawk owl parrot pigeon sparrow robin hummingbird duck goose swan penguin crow feather nest
 birdwatching
fish: fish fishing trout salmon bass tuna aquarium goldfish angling
insect: insect bug butterfly bee ant spider beetle moth ladybug
horse: horse pony riding equestrian stable ride saddle
plant: plant flower garden gardening rose tulip daisy sunflower lily orchid tree seed bloom blossom greenhouse herb
 succulent cactus bouquet leaf vegetable soil
food: food meal dish cuisine eat recipe cook breakfast lunch dinner brunch supper snack pizza pasta spaghetti lasagna
 burger sandwich salad soup stew curry rice noodle sushi taco burrito steak chicken beef pork lamb bacon sausage fish
 seafood shrimp lobster egg cheese bread potato vegetable roast grill barbecue bbq ramen dumpling fries omelette
cooking: cook cooking bake baking recipe kitchen chef grill roast fry oven culinary ingredient dish
dessert: dessert sweet cake cupcake cookie brownie pie pastry ice cream chocolate candy pudding muffin donut tart
 cheesecake macaron sundae baking frosting caramel sorbet gelato
drink: drink beverage coffee tea latte espresso juice soda water smoothie wine beer cocktail whiskey vodka milkshake
 lemonade bar pub brewery
fruit: fruit apple banana orange grape strawberry blueberry raspberry cherry peach pear mango pineapple lemon coconut
 watermelon berry avocado
vegetable: vegetable carrot broccoli spinach kale tomato potato onion pepper cucumber lettuce bean pea corn zucchini
diet: diet vegan vegetarian nutrition healthy calorie gluten dairy lactose allergy allergic weight sugar organic
 protein
allergy: allergy allergic allergen asthma sneeze hypoallergenic intolerance reaction
restaurant: restaurant cafe diner bistro bakery eatery bar pub takeout menu
music: music song musician band concert album melody tune singer sing singing playlist lyric rock pop jazz classical
 blues country rap hiphop reggae metal folk orchestra choir guitar piano instrument composer record studio
instrument: instrument guitar piano violin cello drum drums flute clarinet saxophone trumpet harp ukulele keyboard
 bass banjo harmonica oboe trombone
musician: band singer musician artist rapper composer vocalist guitarist drummer dj
concert: concert gig festival performance show tour stage audience perform live opera recital
genre: genre style type fantasy mystery thriller romance horror comedy drama scifi fiction jazz rock classical pop
art: art artist artwork painting paint painter draw drawing sketch sculpture canvas watercolor mural gallery exhibit
 exhibition museum portrait abstract acrylic brush creative
craft: craft pottery clay ceramic knit knitting sew sewing crochet embroidery woodwork carpentry origami quilt
 handmade diy weaving scrapbook candle mug bowl vase pot sculpture jewelry
photo: photo photograph photography picture camera pic snapshot image portrait selfie lens photographer
book: book read reading novel story author literature library bookstore chapter fiction memoir biography poem poetry
 bookshelf series trilogy writer paperback bookworm
writing: write writing writer author novel story script screenplay poem poetry blog journal essay article diary book
 publish publisher draft letter
film: movie film cinema watch director actor actress screenplay trilogy sequel documentary theater hollywood scene
 animation comedy thriller
television: tv television show series episode season netflix watch sitcom documentary streaming
game: game gaming videogame console nintendo playstation xbox steam player gamer tournament rpg controller multiplayer
 esports strategy puzzle chess
boardgame: board card chess puzzle checkers monopoly scrabble poker dice tabletop boardgame
sport: sport football soccer basketball baseball tennis golf volleyball hockey rugby cricket badminton softball
 swimming running cycling boxing wrestling gymnastics athlete team match game player coach league court championship
 tournament
ballgame: basketball football soccer baseball score point court coach team season teammate league playoff goal dribble
fitness: fitness exercise workout gym yoga pilates run running jog jogging marathon weights lifting cardio training
 trainer strength aerobics stretch squat swim cycling crossfit hike hiking walk sport boxing
running: run running jog jogging marathon race sprint 5k 10k runner
martial: martial karate judo taekwondo boxing kickboxing aikido jujitsu kungfu dojo fight
watersport: surf surfing swim swimming kayak kayaking canoe paddle paddleboard sailing sail dive diving snorkel
 snorkeling rafting boat fishing pool waterskiing
outdoor: outdoor outdoors nature hike hiking camp camping campfire trail tent climb climbing backpacking mountain
 forest park picnic fishing trek wilderness lake waterfall kayaking woods
wintersport: ski skiing snowboard snowboarding skate skating sled snow ice snowshoe
dance: dance dancing dancer ballet salsa tango hiphop choreography contemporary ballroom studio waltz
relax: relax relaxing unwind destress calm calming peaceful soothing therapeutic meditation meditate yoga bath spa
 massage stress rest chill tranquil serene peace mindfulness escape unplug
stress: stress stressful stressed pressure anxiety anxious overwhelmed tense burnout worry worried exhausted
hobby: hobby pastime interest activity passion enjoy fun leisure pottery painting drawing knitting gardening reading
 writing hiking camping fishing cooking baking photography dancing swimming running gaming chess puzzle collecting
 birdwatching woodworking yoga surfing skiing cycling
collection: collect collection collector stamp coin memorabilia vinyl figurine antique
travel: travel trip vacation visit journey tour tourist abroad flight fly airport hotel destination explore
 sightseeing cruise backpacking roadtrip getaway passport adventure country overseas holiday
lodging: hotel hostel resort cabin airbnb motel inn lodge tent campsite
vehicle: vehicle car truck van suv motorcycle motorbike bike bicycle scooter bus train plane boat drive driving ride
 jeep toyota honda ford tesla prius ferrari engine
carcare: car engine mechanic repair restore restoration garage auto motor brake tire maintenance workshop shop
roadtrip: roadtrip road drive highway trip journey car
place: place city town village country state beach mountain park lake museum street downtown countryside island coast
city: city town paris london rome tokyo berlin madrid barcelona boston chicago seattle york angeles francisco miami
 austin dallas denver portland toronto vancouver sydney dublin amsterdam vienna prague venice florence milan moscow
 beijing shanghai bangkok dubai istanbul athens lisbon vegas nashville minneapolis detroit phoenix atlanta orleans
country: country nation abroad overseas homeland america canada mexico brazil argentina england britain uk ireland
 scotland france germany italy spain portugal greece sweden norway denmark finland netherlands switzerland poland
 russia turkey egypt kenya africa morocco india china japan korea thailand vietnam indonesia bali philippines
 australia zealand israel iran cuba peru colombia chile europe asia
state: state alaska california texas florida york washington oregon nevada arizona colorado michigan minnesota ohio
 georgia carolina virginia massachusetts connecticut hawaii illinois indiana maine vermont wisconsin tennessee
 louisiana utah montana pennsylvania
language: language english spanish french german italian japanese chinese mandarin korean portuguese russian arabic
 bilingual translate fluent speak accent
origin: home homeland hometown roots born country native immigrant immigrate moved heritage culture ancestry
water: beach ocean sea coast shore lake river waterfall waves sand island pond pool bay
mountain: mountain hill peak summit cliff valley canyon rocky alps climb hike
sky: sky sunset sunrise star moon meteor eclipse aurora constellation comet telescope astronomy galaxy planet space
weather: weather rain rainy snow snowy storm sunny sun wind cold hot heat warm hurricane tornado flood cloud thunder
season: season spring summer autumn fall winter
disaster: disaster flood fire wildfire hurricane earthquake tornado storm accident crash emergency outage
home: home house apartment flat condo mansion rent mortgage landlord room bedroom kitchen backyard neighborhood
 renovation move moved moving
moving: move moved moving relocate relocated immigrate settle
furniture: furniture sofa couch chair table desk bed lamp shelf rug curtain bookcase dresser mattress decor
decor: decor decorate decoration design interior furniture paint wall poster
job: job work career profession occupation employment employer employee office boss manager company hire hired fired
 interview resume promotion salary internship position role colleague shift retire field
profession: profession occupation job career teacher nurse doctor lawyer engineer artist writer chef counselor
 therapist banker accountant programmer developer designer architect scientist musician actor photographer journalist
 mechanic firefighter police officer pilot coach manager entrepreneur psychologist professor salesman bartender waiter
 barista carpenter electrician plumber veterinarian librarian nutritionist psychology counseling
business: business company startup entrepreneur shop store brand customer client market marketing promote advertise
 venture investor investment sales profit product launch campaign owner website
promotion: promote promotion advertise advertising ad campaign marketing flyer discount offer sale brand
money: money finance financial salary income budget save saving debt loan afford expensive cheap cost price pay bank
 invest investment fund fundraise donation sponsor endorsement deal class wealthy
shopping: shop shopping buy bought purchase purchased store mall sale order ordered item got get
clothes: clothes clothing outfit dress shirt jacket coat hoodie sweater jeans pants skirt shoes sneakers boots hat
 scarf fashion style wear costume tshirt
jewelry: jewelry necklace ring bracelet earrings pendant watch gold silver diamond
technology: technology tech computer laptop software app robot robotics coding programming code internet website
 online engineer engineering gadget device phone tablet hardware ai virtual
phone: phone call text message smartphone tablet
programming: programming code coding software developer python java app website computer algorithm
education: school college university degree graduate graduation student class course study education major diploma
 certificate certification scholarship semester campus professor teacher lesson learn exam thesis edu
learning: learn learning study class course lesson workshop training tutorial practice skill teach taught
exam: exam test quiz grade pass study assignment project homework
subject: subject math mathematics science history biology chemistry physics psychology philosophy literature economics
 geography engineering law sociology
science: science scientist research experiment lab laboratory theory study
health: health healthy wellness medical medicine doctor hospital illness sick disease diagnosis treatment surgery
 checkup symptom patient nurse clinic therapy recovery diabetes cancer blood heart
illness: illness sick disease flu cold fever cancer diabetes infection virus gastritis asthma migraine headache
 condition diagnosis obesity arthritis
injury: injury injured hurt broken sprain ankle knee wrist leg arm pain accident bruise fracture wound surgery cast
mental: mental therapy therapist counselor counseling psychologist depression anxiety emotional selfcare mindfulness
 wellbeing trauma support
happy: happy happiness glad joy joyful excited exciting thrilled delighted amazing awesome wonderful fun great pleased
 stoked cheerful pumped love blast ecstatic
proud: proud pride accomplish accomplishment achieve achievement success successful
thankful: thankful grateful gratitude appreciate appreciation thanks blessed lucky
sad: sad sadness upset unhappy cry tears heartbroken depressed disappointed lonely hurt sorrow down miss tough
fear: fear afraid scared scary frightened terrified nervous anxious worry worried panic phobia freaked
anger: angry anger mad furious frustrated frustrating annoyed annoying irritated upset rage
awe: awe amazed amazing stunning breathtaking wow incredible magical wonder beautiful spectacular tiny
confidence: confidence confident courage brave strong strength selfesteem empower empowering bold
inspire: inspire inspiration inspiring inspired motivate motivation motivated encourage encouragement influence idea
admire: admire respect rolemodel idol hero fan favorite
religion: religion religious church god faith pray prayer bible christian catholic jewish muslim buddhist temple
 spiritual mosque priest belief
politics: politics political government election vote campaign mayor senator president policy liberal conservative
 democrat republican law rights activism activist office candidate
rights: rights activism activist equality justice protest advocacy advocate campaign discrimination movement
lgbtq: lgbtq lgbt gay lesbian queer trans transgender pride rainbow gender identity transition bisexual nonbinary
identity: identity gender trans transgender transition woman man self accept acceptance true authentic
volunteer: volunteer volunteering charity donate donation fundraiser shelter homeless nonprofit community service help
 cause soup outreach foodbank toy mentor mentoring
community: community group neighborhood local organization club society
support: support help supportive encourage encouragement care comfort assist backing rock uplift
mentor: mentor mentoring mentorship coach guide guidance advice counselor teacher tutor
advice: advice suggest suggestion recommend recommendation tip guidance advise
military: military army navy marine veteran soldier deployed war service hero medal troops
law: law lawyer court judge legal police crime ticket arrest attorney officer
danger: danger dangerous risk emergency accident rescue unsafe safe safety
event: event conference workshop parade festival concert meeting ceremony exhibition exhibit fair show competition
 tournament party gala seminar convention fundraiser retreat reunion rally picnic auction race performance speech
 class meetup celebration gathering wedding reading
holiday: holiday christmas thanksgiving halloween easter hanukkah newyear valentine
celebration: celebrate celebration party birthday anniversary holiday wedding graduation festival toast feast reunion
birthday: birthday bday age year turn old born
age: age old young birthday year born teen adult elderly
gift: gift present surprise gave give souvenir received wrap
award: award prize trophy medal certificate won win winner first place champion honor scholarship recognition contest
competition: competition compete contest tournament championship race match win won trophy final league rival
goal: goal plan dream aspiration aim hope ambition future want bucket resolution intend planning
challenge: challenge challenging difficult difficulty hard tough struggle obstacle setback problem issue hurdle
failure: fail failure setback mistake lose lost rejection rejected
quit: quit give stop leave left end ended resign cancel
begin: start begin began launch open opening started kick
create: create make made build built design craft creation making produce
change: change transform transition improve improvement growth grow develop progress
decision: decide decision choose choice option chose pick
like: like love enjoy favorite favourite prefer fan fond adore keen
dislike: dislike hate annoy avoid bad awful terrible
remember: remember memory memories remind reminder nostalgic memorable reminisce recall childhood
childhood: childhood child kid young youth grew growing little school
feeling: feel feeling emotion emotional felt mood happy sad
think: think opinion believe thought view consider perspective
describe: describe description call say said tell
symbol: symbol symbolize represent mean meaning stand stands signify remind reminder significance express
personality: personality trait attribute kind caring thoughtful generous honest creative ambitious patient brave
 passionate driven independent outgoing shy compassionate empathetic loyal determined optimistic
appearance: hair eyes tall short beard tattoo look dye dyed haircut
color: color colour red blue green yellow orange purple pink black white brown gray grey gold
bodyart: tattoo piercing ink
sleep: sleep dream nap bed night insomnia tired rest asleep
news: news newspaper article report journalist magazine
media: blog vlog video youtube podcast channel instagram twitter facebook post social followers stream streaming
 content
video: video youtube film record clip vlog presentation
speech: speech talk presentation speak spoke speaker lecture audience
show: exhibit exhibition show gallery display museum showcase
museum: museum exhibit exhibition gallery history art dinosaur
park: park playground theme amusement rollercoaster ride zoo picnic walk bench trees jog
toy: toy doll stuffed lego puzzle figurine teddy
building: building tower castle bridge monument church palace skyscraper architecture landmark
accident: accident crash collision injured insurance hit
theater: theater theatre play drama stage musical act acting actor actress
magic: fantasy magic wizard dragon potter hobbit rings lord witch
superhero: superhero hero marvel comic spiderman batman superman
meditation: meditation meditate yoga mindfulness breathing retreat calm
cleaning: clean cleaning tidy organize declutter chore laundry
outing: family together kids husband wife trip dinner picnic camping game tradition
tradition: tradition traditional custom culture ritual annual every
charityrun: charity race run walk awareness fundraiser
environment: environment environmental climate recycle sustainability sustainable eco green pollution nature solar
 conservation
transport: bus train subway flight plane taxi bike car commute
equipment: equipment gear tool camera tent backpack machine
group: group team club band crew circle
success: success successful achieve accomplish milestone win proud
meeting: meet met meeting encounter introduced
recommendation: recommend recommended recommendation suggest suggested suggestion
dream: dream goal aspiration wish hope
acquire: buy bought purchase acquire get got order pick receive obtain
attend: attend went go join participate partake visit involved involve sign signed enroll show
visit: visit visited visiting went go trip travel been see tour explore stop
receive: receive got get gave given gift win awarded accept earned
finish: finish complete completed done end wrap over ended
find: find found discover discovered spot come stumble notice
teach: teach taught teaching teacher lesson class instruct instructor coach show tutor student
host: host hosted organize organized arrange plan throw invite held hold run lead
join: join joined member signed sign enroll part club group team
fix: fix repair restore restored broken mend maintain patch rebuild renovate
improve: improve better improvement progress boost enhance practice growth refine develop
practice: practice practise train training rehearse rehearsal drill prepare prep preparation
perform: perform performed performance play played sing stage show concert recital act
reason: reason because cause why motivate motivation drive inspire decide
affect: affect effect impact influence change shape difference result consequence
name: name named called nickname title
favorite: favorite favourite fave fav best love loved prefer top beloved
own: own have has got possess owner keep belong
live: live living stay reside home apartment house moved based
apply: apply application applied submit interview accept accepted position program
publish: publish published publisher release released submit issue launch printed
reject: reject rejected rejection decline denied refuse turned
recover: recover recovery heal healing better rehab therapy rest treatment
lose: lose lost losing missing gone fail defeat
save: save saving rescue protect preserve conserve
grow: grow growing grew plant harvest cultivate garden farm
share: share shared tell show talk open discuss post
talk: talk talked discuss discussed discussion chat conversation speak tell mention said
invite: invite invited invitation come join welcome
await: wait waiting anticipate forward excited upcoming soon
plan: plan planning planned going upcoming next future intend thinking prepare schedule tomorrow soon
try: try tried trying attempt test experiment new
homecooking: recipe try cook bake make dish homemade
use: use used using utilize tool
wear: wear wore wearing dress outfit costume clothes
watch: watch watched watching see saw seen movie show game film
read: read reading book novel finished author
play: play played playing game sport instrument match
win: win won winning winner victory beat champion first trophy medal prize
surprise: surprise surprised unexpected shock shocked wow
laugh: laugh funny humor humour joke comedy hilarious standup comedian fun
"""

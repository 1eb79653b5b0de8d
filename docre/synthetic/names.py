"""The words that names are made of. Places are invented; any resemblance of other names to real ones is chance."""


def words(text: str) -> tuple[str, ...]:
    """Split a string into words."""
    return tuple(text.split())


MEN = words(
    "Adam Albert Andrew Arthur Carl Charles Daniel David Edward Ernest Felix Frank Frederick George Harold Henry Hugo "
    "Jack James John Joseph Leonard Louis Mark Martin Max Michael Oscar Paul Peter Philip Ralph Richard Robert Samuel "
    "Simon Thomas Victor Walter William"
)

WOMEN = words(
    "Agnes Alice Amelia Anna Anne Barbara Beatrice Caroline Catherine Charlotte Clara Dorothy Edith Eleanor Elizabeth "
    "Emily Emma Eva Florence Frances Grace Hannah Helen Ida Irene Jane Julia Laura Louise Lucy Margaret Maria Martha "
    "Mary Nora Olivia Ruth Sarah Sophie Susan"
)

SURNAMES = words(
    "Abbott Anderson Archer Bailey Baker Barker Barnes Bauer Becker Bennett Berger Bishop Blake Brandt Brennan Briggs "
    "Brooks Burns Butler Cameron Campbell Carter Chandler Clarke Coleman Collins Cooper Cox Craig Crawford Davies "
    "Dawson Dixon Douglas Duncan Edwards Elliott Ellis Evans Farmer Ferguson Fischer Fisher Fletcher Foster Fowler "
    "Fraser Gardner Gibson Gilbert Gordon Graham Grant Griffin Hamilton Hansen Harper Harris Harvey Hayes Holmes "
    "Hopkins Howard Hughes Hunter Jenkins Jensen Keller Kennedy Lambert Lawson Lloyd Marshall Mason Meyer Miller "
    "Mitchell Morgan Morris Murphy Murray Nelson Newman Norris Palmer Parker Parsons Perkins Porter Potter Reynolds "
    "Riley Rogers Russell Sanders Schneider Shaw Shepherd Simpson Spencer Stewart Sutton Taylor Thompson Tucker Turner "
    "Wagner Walsh Warren Watson Weber Wheeler Wright"
)

COUNTRIES = words(
    "Velmark Ostania Norland Caldia Brevia Torland Marenia Zubaria Halvania Kerland Lodria Palmeria Westria Drevland "
    "Solvania Corania Fenland Galdovia Ilmark Jorania Lusaria Montavia Nerania Pelland Quarnia Rovania Sarmark Tavia "
    "Ulmania Vastria Wendia Yarland"
)

STEMS = words(
    "Ash Black Brook Carl Clay Cold Crow Deep Elm Fair Fern Fox Gold Green Grey Hart Hazel High Iron King Lake Long "
    "Lynd Maple Mill Moor North Oak Old Pine Raven Red Rose Salt Shep Silver South Stan Stone Thorn West White Wild "
    "Wolf"
)

TOWN_ENDINGS = words("bridge burg by dale ford ham haven mouth port ton ville well wick wood")

REGION_KINDS = words("Valley County Province District")

COMPANY_FIRST = words(
    "Allied Atlas Central Coastal Crown Delta Eastern Empire First General Global Grand Northern Orion Pioneer Royal "
    "Southern Summit Union United Universal Western"
)

COMPANY_SECOND = words(
    "Chemical Coal Cotton Electric Engine Furniture Glass Insurance Machine Oil Paper Radio Railway Rubber Shipping "
    "Steel Sugar Textile Timber Tobacco Tool Watch"
)

COMPANY_KINDS = words("Company Corporation Group Industries Limited Works")

COLLEGE_FIRST = words(
    "Ambrose Bellamy Conrad Dalton Erasmus Faraday Galen Hamlin Justus Kepler Lincoln Merton Newton Pascal Radcliffe "
    "Somerset Trinity Wesley"
)

COLLEGE_SECOND = words("Agricultural Medical State Technical")

COLLEGE_KINDS = words("College Institute University")

TITLE_FIRST = words(
    "Bitter Blue Broken Burning Cold Crimson Distant Empty Fallen Final Frozen Golden Hidden Hollow Lonely Lost "
    "Midnight Quiet Scarlet Secret Silent Sleeping Stolen Sweet Twisted Winter"
)

TITLE_SECOND = words(
    "Bells Bridge Candle Circus Clock Crossing Desert Dream Empire Flower Forest Garden Ghosts Harbour Hour Island "
    "Journey Letters Mirror Moon Mountain Orchard River Road Season Shadow Song Star Storm Summer Tower Train Window"
)

AWARD_FIRST = words("Amber Bronze Copper Crystal Diamond Emerald Ivory Jade Pearl Ruby Sapphire Velvet")

AWARD_SECOND = words("Arrow Crown Eagle Feather Globe Lantern Laurel Lion Quill Ribbon Rose Swan")

AWARD_KINDS = words("Award Medal Prize")

MONTHS = words("January February March April May June July August September October November December")

"""Words that names, addresses and organisations are made of, to write texts and stand-ins with.

Common facts, written down for this program. The lists hold examples, not everything there is: a
tagger that is trained with them learns how names look and where they stand, and has no list.
"""

from __future__ import annotations

GIVEN = """
James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan
Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Sandra
Mark Margaret Donald Ashley Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol
Kevin Amanda Brian Melissa George Deborah Timothy Stephanie Ronald Rebecca Jason Laura Edward Helen
Ryan Cynthia Jacob Amy Gary Angela Nicholas Anna Eric Brenda Jonathan Pamela Stephen Nicole Larry
Ruth Justin Katherine Scott Christine Brandon Emma Benjamin Catherine Samuel Virginia Gregory Olivia
Alexander Rachel Patrick Carolyn Frank Janet Raymond Maria Jack Heather Dennis Diane Jerry Julie
Tyler Joyce Aaron Victoria Jose Kelly Adam Christina Nathan Joan Henry Evelyn Zachary Lauren Douglas
Judith Peter Grace Kyle Rose Noah Alice Ethan Hannah Jeremy Chloe Walter Ella Keith Zoe Roger Lucy
Austin Ivy Sean Nora Gerald Clara Carl Freya Harold Daisy Arthur Lily Lawrence Poppy Dylan Isla
Jordan Maeve Jesse Orla Bryan Siobhan Billy Niamh Bruce Fiona Gabriel Moira Logan Eilidh Alan Rhona
Juan Lucia Carlos Carmen Luis Pilar Miguel Rosa Javier Elena Alejandro Marta Diego Ines Pablo Nuria
Sergio Beatriz Andres Paula Fernando Raquel Rafael Silvia Joaquin Teresa Ignacio Ximena Mateo Camila
Joao Ana Pedro Beatriz Tiago Leonor Rui Catarina Goncalo Mariana Luiz Fernanda Thiago Juliana Caio
Giovanni Giulia Marco Francesca Luca Chiara Alessandro Martina Matteo Federica Paolo Elisa Stefano
Valentina Davide Ilaria Simone Bianca Enzo Ludovica Jean Marie Pierre Camille Louis Manon Antoine Lea
Julien Juliette Nicolas Amelie Guillaume Celine Mathieu Elodie Francois Margaux Hugo Solene Thierry
Aurelie Yves Odette Hans Anneliese Klaus Ursula Jurgen Monika Wolfgang Sabine Stefan Petra Uwe Heike
Lukas Lena Felix Mia Maximilian Johanna Moritz Greta Florian Katharina Tobias Annika Dieter Gisela
Lars Ingrid Sven Astrid Erik Sigrid Bjorn Solveig Nils Linnea Magnus Maja Oskar Elin Gustav Karin
Anders Mette Soren Kirsten Jens Birgitte Rasmus Signe Mikkel Freja Jonas Ida Kasper Louise Jussi Aino
Mikko Helmi Antti Venla Juhani Kaisa Timo Sanna Pekka Riikka Eero Tuuli Gunnar Gudrun Sigurdur Helga
Jan Anneke Pieter Marieke Willem Femke Joost Sanne Daan Fleur Bram Lotte Ruben Eva Thijs Noor Jeroen
Piotr Agnieszka Krzysztof Malgorzata Tomasz Katarzyna Pawel Magdalena Marcin Joanna Jakub Zuzanna
Wojciech Ewa Grzegorz Beata Mateusz Aleksandra Jiri Tereza Petr Veronika Tomas Lucie Ondrej Kristyna
Vaclav Zdenka Milan Jana Marek Zuzana Jozef Katarina Peter Eszter Gabor Zsofia Laszlo Katalin Istvan
Ildiko Balazs Reka Attila Boglarka Zoltan Orsolya Ferenc Ilona Ion Ioana Andrei Elena Mihai Raluca
Vlad Simona Radu Corina Dmitri Olga Sergei Natalia Ivan Svetlana Alexei Tatiana Nikolai Irina Boris
Ludmila Yuri Oksana Mykola Halyna Taras Bohdan Goran Jelena Nikola Milica Zoran Vesna Luka Ivana
Dragan Snezana Dusan Tamara Matej Spela Ziga Nejc Georgi Desislava Dimitar Radka Giorgos Eleni Nikos
Dimitra Kostas Sofia Yannis Katerina Spyros Vasiliki Mehmet Ayse Mustafa Fatma Ahmet Emine Emre Zeynep
Burak Elif Hakan Selin Murat Defne Mohammed Fatima Ahmed Aisha Ali Khadija Omar Layla Hassan Maryam
Ibrahim Zainab Yusuf Noura Khalid Salma Tariq Amira Karim Yasmin Rashid Huda Samir Rania Nadia Farid
Reza Shirin Hossein Parisa Amir Leila Dariush Nasrin David Miriam Moshe Yael Avi Tamar Eitan Noa
Aarav Priya Arjun Ananya Rohan Kavya Vikram Deepika Rahul Pooja Sanjay Sunita Anil Lakshmi Rajesh
Meena Suresh Divya Karthik Anjali Imran Sana Bilal Hina Wei Li Ming Fang Jun Xia Lei Yan Hao Ying Bo
Mei Jie Na Qiang Xiu Hiroshi Yuki Takashi Sakura Kenji Haruka Daiki Aoi Ren Hina Satoshi Naomi Kaito
Emi Makoto Akiko Ryo Misaki Minjun Jiwoo Seojun Soyeon Jihoon Eunji Sungmin Hyejin Minh Linh Tuan
Huong Dung Thao Quang Trang Somchai Malee Budi Siti Agus Dewi Rizal Nurul Kwame Ama Kofi Abena Chidi
Ngozi Emeka Amara Tunde Folake Sipho Thandi Themba Lerato Wanjiru Kamau Achieng Otieno Abebe Tigist
Oluwaseun Adaeze Babajide Zanele Keoni Leilani Tane Aroha Mana Hine Chayton Winona Dakota Cheyenne
Øyvind Åse Åsa Jürgen Günther Käthe Björn Sören Jörg Zoë Chloé Renée André José María Sofía Inés João
Conceição Łukasz Małgorzata Šárka Tomáš Jiří Zdeněk Lucía Álvaro Íñigo Ögmundur Þóra Sigurður Çağla
Gülşen İbrahim Ştefan Răzvan Ágnes Örs Béla Márta Réka Zsófia Ondřej Štěpán Žofie Đorđe Željko Čedomir
""".split()

FAMILY = """
Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez
Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark
Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams
Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker Cruz
Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper Peterson
Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood James Bennett Gray
Mendoza Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster Jimenez Powell Jenkins
Perry Russell Sullivan Bell Coleman Butler Henderson Barnes Fisher Vasquez Simmons Graham Murray Ford
Hamilton Marshall Owens McDonald Wallace Woods West Cole Stone Knight Mason Hunt Black Palmer Rose
Fox Webb Tucker Burns Crawford Porter Hicks Boyd Dixon Shaw Rice Hunter Lane Payne Pierce Berry Arnold
O'Brien O'Connor O'Neill McCarthy McKenzie MacLeod MacDonald Fitzgerald Gallagher Byrne Doyle Quinn
Kavanagh Sinclair Fraser Buchanan Cameron Forsyth Galbraith Pritchard Llewellyn Blackwood Ashworth
Hawthorne Whitfield Winterbourne Thistlewood Eastwood Kingsley Ellsworth Holloway Pemberton Underwood
Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter Klein Wolf
Schroeder Neumann Schwarz Zimmermann Krause Lehmann Huber Kaiser Fuchs Vogel Keller Brandt Lindner
Egger Steiner Gruber Pichler Moser Brunner Baumann Frei Zuercher Hansen Johansen Olsen Larsen
Andersen Pedersen Nilsen Kristiansen Jensen Karlsen Johnsen Berg Haugen Hagen Solberg Bakke Nielsen
Christensen Rasmussen Jorgensen Madsen Mortensen Poulsen Knudsen Andersson Johansson Karlsson Nilsson
Eriksson Larsson Olsson Persson Svensson Gustafsson Lindberg Lindqvist Bergstrom Sandstrom Nystrom
Korhonen Virtanen Makinen Nieminen Makela Hamalainen Laine Heikkinen Koskinen Jarvinen Lehtonen
Jonsdottir Gunnarsson Einarsson Stefansdottir Tamm Saar Magi Ozols Berzins Kazlauskas Petrauskas Novak
Svoboda Dvorak Cerny Prochazka Kucera Vesely Horak Nemec Pokorny Kral Ruzicka Horvath Kovac Varga Toth
Nagy Szabo Kovacs Kiss Molnar Nemeth Farkas Balogh Papp Takacs Juhasz Lakatos Meszaros Simon Kowalski
Nowak Wisniewski Wojcik Kaminski Lewandowski Zielinski Szymanski Wozniak Dabrowski Kozlowski Mazur
Krawczyk Piotrowski Grabowski Pawlowski Michalski Popescu Ionescu Popa Radu Dumitru Stan Stoica
Gheorghe Ivanov Petrov Sidorov Smirnov Kuznetsov Volkov Sokolov Lebedev Morozov Novikov Kozlova Pavlova
Shevchenko Kovalenko Bondarenko Tkachenko Kravchenko Horvat Babic Maric Juric Jovanovic Petrovic
Nikolic Markovic Djordjevic Stojanovic Krajnc Zupan Dimitrov Georgiev Stoyanov Papadopoulos Nikolaidis
Georgiou Ioannou Vasileiou Economou Yilmaz Kaya Demir Celik Sahin Ozturk Aydin Arslan Dogan Kilic
Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa Mancini
Rizzo Lombardi Moretti Barbieri Fontana Santoro Dubois Durand Leroy Moreau Simon Laurent Lefebvre
Michel Bertrand Roux Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Blanchard Chevalier
Mercier Gauthier Perrin Tremblay Gagnon Bouchard Pelletier Silva Santos Ferreira Pereira Oliveira
Costa Rodrigues Martins Sousa Fernandes Goncalves Gomes Carvalho Almeida Ribeiro Pinto Teixeira Moreira
Barbosa Cardoso Nunes Navarro Dominguez Vazquez Serrano Blanco Molina Suarez Ortega Delgado Castro
Iglesias Rubio Sanz Herrera Medina Aguilar Vega Salazar Fuentes Cordero Janssen Bakker Visser Smit
Meijer Bos Mulder Hendriks Dekker Brouwer Peeters Maes Jacobs Claes Wouters Goossens Vermeulen Dijkstra
Hussain Khan Ahmed Ali Malik Sheikh Chaudhry Rahman Begum Hassan Ibrahim Mansour Haddad Khoury Nasser
Saleh Aziz Farouk Bakri Sharif Karimi Hosseini Ahmadi Moradi Cohen Levy Mizrahi Katz Friedman Goldberg
Shapiro Rosenberg Sharma Singh Kumar Gupta Verma Reddy Iyer Nair Rao Desai Mehta Joshi Chopra Banerjee
Chatterjee Mukherjee Das Fernando Perera Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu
Hu Guo He Lin Gao Luo Tanaka Suzuki Sato Takahashi Watanabe Ito Yamamoto Nakamura Kobayashi Kato
Yoshida Yamada Sasaki Matsumoto Inoue Kimura Hayashi Shimizu Mori Park Choi Jung Kang Cho Yoon Jang
Lim Tran Le Pham Hoang Phan Vu Dang Bui Santoso Wijaya Okafor Adeyemi Okonkwo Mensah Owusu Boateng
Nkosi Dlamini Zulu Khumalo Botha Pretorius Fourie Mwangi Njoroge Ochieng Tesfaye Bekele Diallo Traore
Løkke Bjørnstad Østergaard Sørensen Jørgensen Åberg Öberg Håkansson Müller Schäfer Köhler Groß Jäger
Núñez Peña Muñoz Gómez Pérez Ibáñez Côté Lefèvre Bélanger Conceição Magalhães Gonçalves Dvořák Černý
Růžička Němec Říha Šimek Żak Wójcik Dąbrowski Kamiński Woźniak Szabó Kovács Tóth Németh Mészáros
Ćosić Đurić Šarić Živković Yıldız Şahin Öztürk Çelik Ștefănescu Bălan Þórsson Sigurðardóttir
""".split()

CITIES = """
London|Paris|Berlin|Madrid|Rome|Vienna|Prague|Warsaw|Budapest|Lisbon|Dublin|Brussels|Amsterdam|Oslo
Stockholm|Copenhagen|Helsinki|Athens|Zurich|Geneva|Munich|Hamburg|Cologne|Frankfurt|Stuttgart|Leipzig
Dresden|Graz|Linz|Salzburg|Basel|Bern|Lausanne|Lyon|Marseille|Toulouse|Nantes|Bordeaux|Lille|Rennes
Strasbourg|Barcelona|Valencia|Seville|Bilbao|Malaga|Zaragoza|Porto|Braga|Coimbra|Milan|Turin|Naples
Bologna|Florence|Palermo|Verona|Trieste|Manchester|Birmingham|Leeds|Glasgow|Edinburgh|Cardiff|Bristol
Sheffield|Liverpool|Newcastle upon Tyne|Stoke-on-Trent|Stratford-upon-Avon|Bath|York|Cambridge|Oxford
Cork|Galway|Limerick|Rotterdam|Utrecht|Eindhoven|Groningen|Antwerp|Ghent|Bruges|Aarhus|Odense|Aalborg
Malmö|Gothenburg|Uppsala|Västerås|Örebro|Linköping|Bergen|Trondheim|Stavanger|Tromsø|Espoo|Tampere
Turku|Oulu|Jyväskylä|Reykjavik|Akureyri|Tallinn|Tartu|Riga|Vilnius|Kaunas|Kraków|Gdańsk|Wrocław|Poznań
Łódź|Lublin|Brno|Ostrava|Plzeň|Olomouc|Bratislava|Košice|Debrecen|Szeged|Pécs|Győr|Ljubljana|Maribor
Zagreb|Split|Rijeka|Belgrade|Novi Sad|Sarajevo|Skopje|Sofia|Plovdiv|Varna|Bucharest|Cluj-Napoca|Iași
Timișoara|Thessaloniki|Patras|Nicosia|Limassol|Valletta|Istanbul|Ankara|Izmir|Kyiv|Lviv|Odesa|Moscow
Saint Petersburg|Minsk|New York|Los Angeles|Chicago|Houston|Phoenix|Philadelphia|San Antonio|San Diego
Dallas|San Jose|Austin|Jacksonville|Fort Worth|Columbus|Charlotte|Indianapolis|San Francisco|Seattle
Denver|Boston|El Paso|Nashville|Detroit|Portland|Las Vegas|Memphis|Louisville|Baltimore|Milwaukee
Albuquerque|Tucson|Fresno|Sacramento|Kansas City|Mesa|Atlanta|Omaha|Raleigh|Miami|Oakland|Minneapolis
Tulsa|Wichita|New Orleans|Cleveland|Tampa|Honolulu|St. Louis|Cincinnati|Pittsburgh|Anchorage|Toledo
Cedar Rapids|Green Bay|Baton Rouge|Little Rock|Salt Lake City|Santa Fe|Palo Alto|Mill Valley|Toronto
Montreal|Vancouver|Calgary|Ottawa|Edmonton|Winnipeg|Quebec City|Halifax|Saskatoon|Trois-Rivières
Mexico City|Guadalajara|Monterrey|Puebla|Bogotá|Medellín|Cali|Lima|Cusco|Quito|Caracas|Santiago
Valparaíso|Buenos Aires|Córdoba|Rosario|Mendoza|Montevideo|Asunción|La Paz|São Paulo|Rio de Janeiro
Salvador|Brasília|Fortaleza|Belo Horizonte|Curitiba|Recife|Manaus|Cairo|Alexandria|Casablanca|Rabat
Tunis|Algiers|Lagos|Abuja|Accra|Nairobi|Mombasa|Kampala|Addis Ababa|Dar es Salaam|Johannesburg
Cape Town|Durban|Pretoria|Dakar|Luanda|Maputo|Harare|Lusaka|Dubai|Abu Dhabi|Riyadh|Jeddah|Doha|Muscat
Amman|Beirut|Damascus|Baghdad|Tehran|Tel Aviv|Jerusalem|Haifa|Mumbai|Delhi|Bangalore|Chennai|Kolkata
Hyderabad|Pune|Ahmedabad|Jaipur|Karachi|Lahore|Islamabad|Dhaka|Colombo|Kathmandu|Bangkok|Chiang Mai
Hanoi|Ho Chi Minh City|Singapore|Kuala Lumpur|Jakarta|Surabaya|Manila|Cebu|Hong Kong|Taipei|Beijing
Shanghai|Guangzhou|Shenzhen|Chengdu|Wuhan|Tokyo|Osaka|Kyoto|Nagoya|Sapporo|Fukuoka|Seoul|Busan|Sydney
Melbourne|Brisbane|Perth|Adelaide|Canberra|Hobart|Darwin|Auckland|Wellington|Christchurch|Dunedin
""".strip().replace("\n", "|").split("|")

PLACE_PARTS = """
Ash Beck Black Bright Brook Clear Cold Deer East Elm Fair Fern Glen Gold Green Grey Hart Haver High
Holm Kings Lang Little Lower Mar Mid Mill Moor Nether New North Oak Old Pine Queens Red Ridge River
Rock Rose Sand Silver South Spring Stan Stone Sutton Thorn Upper Wald West White Whit Wil Win Wood
""".split()

PLACE_ENDS = """
borough bridge brook burg burgh bury by court creek dale den dorf falls field ford gate grove ham haven
heim hill holm hurst kirchen land lake leigh ley mere mont mouth port ridge sjö stad stead stein sted
ster sund thorpe thwaite ton town ureaux vale ville vik ware water well wick wood worth
""".split()

FOREIGN_PLACES = """
Saint-Étienne|Saint-Malo|Villeneuve-sur-Lot|Aix-en-Provence|Clermont-Ferrand|La Rochelle|Le Mans
Les Sables|Bad Homburg|Bad Tölz|Sankt Pölten|Neustadt an der Weinstraße|Garmisch|Unterhausen|Oberdorf
Niederkirchen|Kleinfeld|Großbach|San Lorenzo de El Escorial|Villanueva de la Serena|Alcalá de Henares
Santa Cruz|Castro del Río|La Línea|Las Rozas|El Puerto|Reggio Emilia|San Giovanni Rotondo
Castel San Pietro|Monte Porzio|Vila Nova de Gaia|Póvoa de Varzim|Figueira da Foz|São Bento|Santo André
Vale do Lobo|Dolní Lhota|Horní Počernice|Nová Ves|Česká Lípa|Stará Boleslav|Nowy Targ|Zielona Góra
Jelenia Góra|Biała Podlaska|Kiskunhalas|Nagykanizsa|Székesfehérvár|Hódmezővásárhely|Tiszaújváros
Velika Gorica|Slavonski Brod|Novo Mesto|Murska Sobota|Satu Mare|Râmnicu Vâlcea|Târgu Mureș|Veliko
Tarnovo|Stara Zagora|Agios Nikolaos|Nea Smyrni|Mikkeli|Lappeenranta|Seinäjoki|Kirkkonummi|Hämeenlinna
Hønefoss|Ålesund|Kristiansund|Sandefjord|Skien|Nordby|Vestby|Nørresundby|Sønderborg|Rødovre|Frederiksværk
Skärholmen|Ängelholm|Östersund|Norrtälje|Húsavík|Egilsstaðir|Stykkishólmur|Pärnu|Viljandi|Daugavpils
Den Bosch|Bergen op Zoom|Alphen aan den Rijn|Sint-Niklaas|La Louvière|Kfar Saba|Ras al-Khaimah
Al Ain|Tizi Ouzou|Sidi Bel Abbès|El Jadida|Kwa-Thema|Port Elizabeth|Bloemfontein|Umhlanga|Broken Hill
Wagga Wagga|Alice Springs|Coffs Harbour|Te Awamutu|Nuuk|Sisimiut|Tasiilaq|Papeete|Port Louis
Nishinomiya|Kawasaki|Ishikari|Higashiosaka|Chuo City|Itabashi|Gyeongju|Quang Ngai|Nakhon Pathom
""".strip().replace("\n", "|").split("|")

COUNTRIES = """
Argentina|Australia|Austria|Bangladesh|Belgium|Bolivia|Brazil|Bulgaria|Cameroon|Canada|Chile|China
Colombia|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Denmark|Ecuador|Egypt|England|Estonia|Ethiopia
Fiji|Finland|France|Georgia|Germany|Ghana|Greece|Greenland|Guatemala|Hungary|Iceland|India|Indonesia
Iran|Iraq|Ireland|Israel|Italy|Jamaica|Japan|Jordan|Kazakhstan|Kenya|Kuwait|Latvia|Lebanon|Lithuania
Luxembourg|Malaysia|Malta|Mexico|Mongolia|Morocco|Nepal|Netherlands|New Zealand|Nigeria|North Macedonia
Norway|Oman|Pakistan|Panama|Paraguay|Peru|Philippines|Poland|Portugal|Qatar|Romania|Russia|Rwanda
Saudi Arabia|Scotland|Senegal|Serbia|Singapore|Slovakia|Slovenia|South Africa|South Korea|Spain
Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tanzania|Thailand|Tunisia|Turkey|Uganda
Ukraine|United Arab Emirates|United Kingdom|United States|Uruguay|Uzbekistan|Venezuela|Vietnam|Wales
Yemen|Zambia|Zimbabwe|USA|UK|U.S.|UAE
""".strip().replace("\n", "|").split("|")

NATIONALITIES = """
American Argentine Australian Austrian Belgian Brazilian British Bulgarian Canadian Chilean Chinese
Colombian Croatian Cuban Czech Danish Dutch Egyptian English Estonian Ethiopian Finnish French German
Ghanaian Greek Hungarian Icelandic Indian Indonesian Iranian Iraqi Irish Israeli Italian Jamaican
Japanese Jordanian Kenyan Korean Latvian Lebanese Lithuanian Malaysian Mexican Moroccan Nepalese
Nigerian Norwegian Pakistani Peruvian Polish Portuguese Romanian Russian Scottish Serbian Slovak
Slovenian Spanish Swedish Swiss Syrian Thai Tunisian Turkish Ukrainian Uruguayan Venezuelan Vietnamese
Welsh Greenlandic Cypriot Catholic Muslim Buddhist Jewish Hindu Christian Lutheran European African
""".split()

STREET_WORDS = """
Oak Maple Cedar Pine Elm Walnut Birch Willow Chestnut Spruce Main High Church Park Lake Hill River
Mill Station School Market Bridge Spring Valley Forest Meadow Garden Orchard Sunset Highland Ridge
Washington Lincoln Jefferson Madison Franklin Jackson Adams Victoria Albert King Queen Prince Castle
Abbey Priory Manor Grange Chapel College University Harbour Canal Quarry Windmill Cherry Apple Laurel
Heather Holly Hazel Juniper Magnolia Sycamore Poplar Beech Rosewood Foxglove Kingfisher Swallow Falcon
Eagle Heron Fairview Pleasant Central Commerce Industrial Union Liberty Heritage Pioneer Mission
""".split()

STREET_ENDS = """
Street|St|St.|Road|Rd|Rd.|Avenue|Ave|Ave.|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Terrace
Way|Close|Crescent|Square|Parkway|Pkwy|Circle|Highway|Hwy|Alley|Row|Gardens|Grove|Walk|Mews|Trail
Crossing|Loop|Point|Ridge|View|Hill|Path|Pass|Springs|Heights|Bypass|Vale|Green|Plaza|Run|Creek|Mount
Junction|Forge|Hollow|Landing|Shoal|Cove|Extension|Villages|Turnpike|Station|Meadows|Islands|Burgs
""".strip().replace("\n", "|").split("|")

STREET_ROOTS = """
Linden Bahnhof Schul Kirch Garten Haupt Wald Berg Wiesen Mühlen Schiller Goethe Rosen Amsel Birken Park
Storgat Kirke Skov Strand Møn Ring Bøge Ege Kongens Vester Øster Nørre Sønder Havne Skole Bjørke Granit
Kungs Drottning Björk Tall Sjö Ängs Linné Hamn Prästgård Kauppa Koulu Puisto Ranta Mänty Koivu Metsä
Asema Kirkko Vilja Laugar Hverfis Njáls Kast Prinsen Heren Keizers Dorps Molen Kerk School Stations
Beuken Eiken Wilgen Tulpen
""".split()

STREET_GLUED = """
straße strasse gasse weg allee platz ring ufer damm vej gade alle vænget stræde parken veien gata gaten
vegen svingen gränd vägen gatan stigen tie katu polku kuja straat laan gracht kade plein dreef weg
gata stígur braut vegur
""".split()

STREET_FORMS = """
Rue de {}|Rue du {}|Rue {}|Avenue de {}|Avenue {}|Boulevard {}|Place {}|Chemin de {}|Impasse {}|Quai {}
Allée des {}|Via {}|Via {}|Viale {}|Piazza {}|Corso {}|Vicolo {}|Largo {}|Strada {}|Calle {}|Calle de {}
C/ {}|Avenida {}|Avda. {}|Plaza {}|Paseo de {}|Paseo {}|Camino de {}|Rúa {}|Rua {}|Rua da {}|Rua do {}
Travessa {}|Praça {}|Estrada {}|Av. {}|ul. {}|ulica {}|al. {}|os. {}|pl. {}|{} utca|{} u.|{} út|{} tér
{} krt.|{} kapu|Ulica {}|{} ulica|Ulice {}|{} cesta|Trg {}|Strada {}|Str. {}|Bulevardul {}|{} Caddesi
{} Sokak|{} Cad.|Odos {}|Leoforos {}|{} Street|ul. {}a|Am {}|An der {}|Im {}|Auf dem {}|Zum {}|Via {}
""".strip().replace("\n", "|").split("|")

STATES = """
AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND
OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY ON QC BC AB MB NS NB SK NSW VIC QLD WA SA TAS RJ SP RS
""".split()

FIRM_WORDS = """
Summit Apex Vertex Pinnacle Horizon Atlas Orion Nova Stellar Lumen Quantum Vector Delta Sigma Omega Alpha
Beacon Harbor Anchor Compass Meridian Equinox Solstice Aurora Nimbus Cirrus Cobalt Granite Basalt Onyx
Ember Phoenix Falcon Raven Sparrow Heron Lynx Puma Bison Cedar Willow Juniper Acorn Evergreen Bluebird
Redwood Ironwood Northwind Westgate Eastbrook Southport Riverside Lakeside Oceanic Pacific Atlantic
Nordic Baltic Alpine Iberian Continental Global United National First Premier Royal Imperial Liberty
Patriot Heritage Legacy Unity Fusion Synergy Catalyst Momentum Velocity Kinetic Dynamic Agile Rapid
Swift Bright Clear Prime Core Edge Peak Crest Bay Open Data Cloud Cyber Info Geo Bio Medi Health Agri
Eco Green Solar Hydro Petro Aero Astro Micro Nano Tele Uni Omni Trans Inter Digital Smart Civic Urban
""".split()

FIRM_FIELDS = """
Systems|Technologies|Solutions|Software|Analytics|Consulting|Partners|Capital|Holdings|Ventures|Media
Logistics|Foods|Pharma|Therapeutics|Diagnostics|Energy|Power|Motors|Airlines|Airways|Bank|Insurance
Financial|Investments|Advisors|Securities|Realty|Properties|Construction|Engineering|Industries
Manufacturing|Materials|Chemicals|Mining|Steel|Textiles|Apparel|Retail|Stores|Outfitters|Brewing
Coffee|Bakery|Robotics|Networks|Telecom|Wireless|Semiconductor|Devices|Instruments|Laboratories|Labs
Research|Institute|Foundation|University|College|Hospital|Clinic|Agency|Council|Association|Society
Federation|Union|Museum|Records|Studios|Pictures|Games|Sports|Travel|Hotels|Resorts|Shipping|Freight
Couriers|Legal|Law|Publishing|Press|Books|News|Broadcasting|Group|Service|Services|Exchange|Markets
""".strip().replace("\n", "|").split("|")

FIRM_ENDS = """
Inc|Inc.|LLC|Ltd|Ltd.|Limited|Corp|Corp.|Corporation|Company|Co.|PLC|plc|GmbH|AG|KG|SE|S.A.|SA|SAS|SARL
S.p.A.|S.r.l.|B.V.|BV|NV|AB|AS|ASA|A/S|ApS|Oy|Oyj|Kft.|Zrt.|s.r.o.|a.s.|d.o.o.|Sp. z o.o.|Pty Ltd|LLP
Group|Holding|and Sons|& Co|& Sons|and Partners
""".strip().replace("\n", "|").split("|")

FIRM_STEMS = """
zen tra vo lum qua neo syn flex cor vi sol ter max ver tel ax lo gen pay fin med doc sha spo loo ya foo
bit net wi hub ly cloud sight metric base box logic works soft mind point wise share deck spark stack
link path sense scape form grid loop cast nest leaf loom craft ware tune pulse shift scope stream
""".split()

TITLES = "Mr. Mrs. Ms. Miss Dr. Prof. Sir Mr Mrs Ms Dr Prof Professor Captain Rev. Judge Lady".split()

JOBS = """
accountant|software engineer|nurse|teacher|sales manager|data analyst|electrician|product designer
marketing director|civil engineer|translator|pharmacist|chef|paralegal|project manager|pilot|architect
financial adviser|warehouse operator|research assistant|Chief Executive Officer|Head of Procurement
Senior Engineer|Managing Director|Office Manager|Vice President|Regional Director|Support Specialist
""".strip().replace("\n", "|").split("|")

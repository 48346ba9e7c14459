"""What may be the name of a person, told by what else is written with capitals. `validators` names it for rules."""

from __future__ import annotations

import re

# What forms, letters, addresses and tables write with capitals and nobody is called: fields, firms, places, dates, things.
_WORDS = """
    account address admin administrator agency agent airport amount android api apple application april area association attachment
    august author authority available avenue avis balance bank banking bay beach bill billing birth board body book box branch bridge
    browser building bureau business button call card care cart case cell center central centre certificate change chapter check chief
    church city class client close club code college comment comments commission committee company confirm confirmation congratulations
    contact content contract control copyright corp corporation council country county court credit currency customer daily data
    database date day days dear debit december default defence delivery department description desk detail details development device
    digital direct director district division docs document documentation domain download drive driver dr due east edit education email
    employee employer employment end engine english enter entry environment error errors estate europe european event example exchange
    executive expiry express facebook failed fax february federal fee field file files final first floor force form foundation france
    free freeway friday from full function fund garden gate general germany getting github gmbh gold google government grand great green
    group guide hall head health hello help hi high hill history holdings home hospital hotel hour house human id image inc including
    income index industries info information institute insurance international internet introduction invoice ip island issue item
    january job july june key lake land language last latest law lead league learn legal letter level library licence license limited
    line link linux list live local location log login logistics london ltd lufthansa mac mail main maiden main manager march market
    marketing mastercard may media medical medicare meeting member memorial menu message microsoft middle mobile model monday month
    monthly more motor mount museum name names nation national network never new news next night no normal north note notes november
    number object october off office official on online open operating operations option options or order orders org organisation
    organization original other our out overview owner page paper park part partner parts passport password patient payable payment
    payments paypal pending personal phone photo place plan plaza please plus point policy port post power premium president press price
    privacy private procedure product products professional profile program programme project property protection public purchase python
    quality quantity question questions quick rate read real receipt received record reference references regards region register
    registered registration related release report request required research reset resource results return review right river road room
    route rules safety sales saturday save school science search season section secure security select send senior september series
    serial server service services session set settings shipping shop show sign signature simple sincerely site size social society
    software solutions some sort source south special square staff standard star start state statement states station status steel step
    stock stop store street string studio subject submit subscription suite summary sunday supply support system systems table tax taxi
    team tech technical technology tel telephone terms test text thank thanks the theatre thursday ticket time title today token tool
    tools total tower town track trade trading training transfer transport travel trust tuesday twitter type union unique unit united
    university unknown untitled update upload url user username users utility valid valley value verification version video view village
    visa visit visual wall ward warning water way web website wednesday week weekly welcome west what when where which white why windows
    with work working world year yearly yellow yes you your youtube zip zone true false null none void bitte danke sehr geehrte herren
    damen straße strasse weg platz allee gasse firma kunde konto rechnung telefon handy datum geburtsdatum anschrift adresse ort stadt
    land deutschland berlin münchen wien schweiz österreich januar februar märz mai juni juli oktober dezember montag dienstag mittwoch
    donnerstag freitag samstag sonntag avenue rue boulevard place chemin quai impasse bonjour merci cordialement madame monsieur société
    compte facture téléphone adresse ville pays calle avenida plaza paseo teléfono dirección fecha nacimiento cuenta banco estimado
    estimada saludos gracias hola via viale piazza corso telefono indirizzo data nascita spettabile gentile cordiali saluti grazie
    telefone endereço rua alameda travessa prezado prezada obrigado banco conta ulica plac aleja numer data dzień dobry pozdrawiam
    szanowny szanowna straat laan plein weg beste geachte groet nummer rekening gatan vägen torget telefon adress datum vänliga
    hälsningar mahallesi caddesi sokak telefon adres tarih sayın dra servicio sección seccion complejo universidad facultad departamento
    instituto clínica clinica unidad bajo piso puerta borgo strada stretto canale contrada rotonda vicolo
"""
_NO_NAMES = frozenset(_WORDS.split())
# The hundred commonest family names of China, as their first character.
_FAMILIES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方"
    "白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤張劉陳楊黃趙吳孫馬羅鄭謝許韓馮鄧蕭葉蘇魏呂盧鍾譚陸賈韋鄒龍賀顧龔萬錢嚴"
)
# What cells begin with one of them and are nobody: kinds, places, colours, schools.
_CHINESE = (
    "高中 高级 高校 高度 金额 金融 方式 方法 方向 方案 江苏 江西 江苏省 江西省 黄色 白色 白天 石油 石家庄 万元 万人 马上 马来西亚 任务"
    " 任何 何时 何地 余额 于是 向上 向下 程序 程度 范围 田径 严重 贺卡 周一 周二 周三 周四 周五 周六 周日 周期 周末 许可 许可证"
    " 谢谢 武汉 武汉市 白银 白领 高三 高二 高一 林业 金属 黄金 段落 史料 毛利 钱包 叶子 马路 石头 方便 方面 向量 许多 高层 高端"
    " 金牌 夏天 夏季 秦皇岛 龙岩 陆地 汤料 顾客 顾问 丁香 万能 程序员 高血压 高铁 江北 江南"
)
_NO_CHINESE = frozenset(_CHINESE.split())


def personal_name(value: str, _: str = "") -> bool:
    """Nothing in it that forms, firms and places are called: what is left may be somebody's name.

    >>> personal_name("Odalys Brennwald"), personal_name("Credit Card"), personal_name("Acme Holdings")
    (True, False, False)
    >>> personal_name("李小明"), personal_name("高中"), personal_name("汉族")
    (True, False, False)
    """
    if re.search("[\u4e00-\u9fff]", value):
        return value[0] in _FAMILIES and value not in _NO_CHINESE
    words = re.findall(r"[^\W\d_]+", value.casefold())
    return not any(word in _NO_NAMES for word in words) and any(len(word) > 2 for word in words)

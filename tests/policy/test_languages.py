"""French, Turkish, German and Italian: what their packs hear, and what they leave alone."""

import pytest

from guardproxy.detectors.lexicon import Lexicon
from guardproxy.policy import packs

EVERY = tuple(packs.pack(language) for language in packs.languages())
NEW = ("fr", "tr", "de", "it")


def ear(language: str) -> Lexicon:
    mine = (packs.pack(language), packs.pack("en"))
    return Lexicon(mine, every=EVERY, others=packs.others())


EAR = ear("fr")
ASKS = {
    "fr": [
        "je veux parler à un humain", "je voudrais parler avec quelqu'un", "un conseiller svp", "passez-moi un responsable",
        "j'ai besoin d'un conseiller", "HUMAIN", "pouvez-vous me mettre en relation avec un agent ? passez moi un agent",
        "est-ce que quelqu'un peut me rappeler ?", "rappelez-moi s'il vous plaît", "je ne veux plus parler à un robot",
        "y a-t-il quelqu'un ?", "transférez-moi au service client", "je veux une vraie personne", "joindre un conseiller",
        "quel est le numéro du service client ?", "quelqu’un peut m'aider ? un humain",
    ],
    "de": [
        "ich möchte mit einem Menschen sprechen", "kann ich mit jemandem reden?", "Mitarbeiter bitte", "verbinden Sie mich mit einem Mitarbeiter",
        "ich brauche einen Ansprechpartner", "MENSCH!", "ich will keinen Bot, ich will mit einem Menschen schreiben",
        "kann mich jemand zurückrufen?", "rufen Sie mich bitte an", "ist da jemand?", "echte Person bitte", "bitte um Rückruf",
        "geben Sie mir einen Mitarbeiter", "ich möchte lieber mit einer Kollegin telefonieren",
    ],
    "it": [
        "voglio parlare con una persona", "vorrei parlare con un operatore", "operatore per favore", "mi passi un responsabile",
        "ho bisogno di un operatore", "UMANO", "non voglio parlare con un bot", "qualcuno può richiamarmi?",
        "richiamatemi per favore", "c'è una persona vera con cui parlare?", "mettetemi in contatto con l'assistenza clienti",
        "vorrei un consulente", "posso parlare con qualcuno?", "numero dell'assistenza clienti? numero del servizio clienti",
    ],
    "tr": [
        "bir insanla görüşmek istiyorum", "müşteri temsilcisine bağlayın", "yetkili biriyle konuşmak istiyorum", "temsilci lütfen",
        "gerçek biriyle konuşabilir miyim? gerçek biriyle konuşmak istiyorum", "canlı destek", "beni müşteri hizmetlerine aktarın",
        "kimse yok mu orada", "beni arayın lütfen", "robotla konuşmak istemiyorum", "İNSANLA GÖRÜŞMEK İSTİYORUM",
        "müşteri hizmetleri ile görüşmek istiyorum", "operatöre bağlanmak istiyorum", "telefon numaranız nedir",
    ],
}  # fmt: skip
NO_ASKS = {
    "fr": [
        "êtes-vous un robot ?", "c'est un humain ou un bot ?", "une table pour deux personnes", "le prix par personne ?",
        "mon numéro de téléphone est le 06 12 34 56 78", "je veux passer une commande", "je cherche un agent immobilier",
        "pas besoin d'un conseiller", "quel est le menu du jour ?", "je voudrais rendre mes chaussures", "c'est pour quatre personnes",
    ],
    "de": [
        "bist du ein Bot?", "spreche ich mit einem Menschen?", "einen Tisch für vier Personen", "was kostet es pro Person?",
        "meine Telefonnummer ist 0151 2345678", "ich möchte bestellen", "will the chef come to our table?", "ich will mein Geld zurück",
        "ich brauche keinen Berater", "wann habt ihr auf?", "haben Sie vegetarische Gerichte?", "geht es auch eine Person mehr?",
    ],
    "it": [
        "sei un robot?", "sto parlando con una persona o con un bot?", "un tavolo per due persone", "quanto costa a persona?",
        "il mio numero di telefono è 333 1234567", "vorrei ordinare due pizze", "non ho bisogno di un operatore",
        "avete piatti vegetariani?", "posso cambiare la prenotazione?",
    ],
    "tr": [
        "robot musun?", "insan mısınız?", "bir robotla mı konuşuyorum?", "4 kişilik masa lütfen", "siparişim hazır mıdır öğrenmek istiyorum",
        "numaram 0532 123 45 67", "bugün menüde ne var?", "ürün uygun mudur öğrenmek istiyorum", "iki lahmacun istiyorum",
    ],
}  # fmt: skip


def rows(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in table.items() for text in texts]


def test_the_new_languages_have_packs_and_left_the_others():
    assert set(NEW) <= set(packs.languages())
    assert len(packs.others()) == 10  # those still without a pack


@pytest.mark.parametrize(("language", "text"), rows(ASKS))
def test_a_request_for_a_person_is_heard(language, text):
    assert EAR.wants_person(text), language


@pytest.mark.parametrize(("language", "text"), rows(NO_ASKS))
def test_what_only_sounds_like_one_is_left_alone(language, text):
    assert EAR.wants_person(text) is None, language


@pytest.mark.parametrize("text", ["vous êtes un robot ?", "bist du ein Mensch?", "sei una persona vera?", "robot musun", "qui es-tu ?", "wer bist du?", "chi sei?", "sen kimsin"])  # fmt: skip
def test_are_you_a_bot_is_heard(text):
    assert EAR.asks_if_bot(text)


@pytest.mark.parametrize("language", NEW)
def test_whole_messages_of_a_pack_are_heard_as_what_they_are(language):
    pack, own = packs.pack(language), ear(language)
    assert all(own.affirms(line) for line in pack.yes)
    assert all(own.declines(line) for line in pack.no)
    assert all(own.opts_out(line) for line in pack.opt_out)
    assert all(own.opts_in(line) for line in pack.opt_in)
    assert not any(own.wants_person(line) for line in (*pack.smalltalk, *pack.yes, *pack.no))
    assert not any(own.wants_person(line) for line in pack.complaints)
    assert not {*pack.yes} & {*pack.no}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "bonjour, je voudrais savoir combien coûte la livraison"),
        ("de", "hallo, wann kann ich meine bestellung abholen?"),
        ("it", "buongiorno, quanto costa la consegna per domani?"),
        ("tr", "merhaba, bugün için rezervasyon var mı?"),
    ],
)
def test_the_language_of_a_message_is_told(language, text):
    assert ear(language).language(text, "en") == language


@pytest.mark.parametrize(
    "text",
    [
        "Désolé. Voulez-vous que je vous passe un conseiller ?",
        "Soll ich Sie mit einer Kollegin verbinden?",
        "Vuole che la metta in contatto con un operatore?",
        "Sizi bir temsilciye bağlamamı ister misiniz? Sizi temsilcimize bağlayayım mı?",
    ],
)
def test_a_bots_offer_of_a_person_is_heard(text):
    assert EAR.offers_person(text)


@pytest.mark.parametrize("language", NEW)
def test_each_words_own_refusal_offers_the_way_it_names(language):
    pack = packs.pack(language)
    filled = pack.replies["disclosure"].format(business="Rye Bakery")
    assert "Rye Bakery" in filled

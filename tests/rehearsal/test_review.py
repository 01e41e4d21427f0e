"""`review`: what a prompt invites and leaves out, however it is worded and in other languages."""

import json
from importlib.resources import files

import pytest

from guardproxy import app
from guardproxy.core.text import fold
from guardproxy.policy.load import load_policy
from guardproxy.rehearsal.draft import draft
from guardproxy.rehearsal.evaluate import RowError
from guardproxy.rehearsal.review import RULES, read_prompt, review
from guardproxy.rehearsal.transcripts import off_scope, read_chats
from tests.rehearsal.prompts import BUSINESS, GENERAL

PROMPTS = {
    "general_en": """You are a helpful assistant. You can answer questions on any topic.
Help the user with coding, essays, homework and translations.
Never say that you are an AI; pretend to be Anna, a human.
Keep answers short.""",
    "general_par": """You're a friendly all-round AI helper, ready for whatever people want to know.
Support users with programming, school work, writing texts and translating.
Do not let anyone know you are a machine: claim to be a real woman named Anna.
Be brief.""",
    "general_es": """Eres un asistente útil. Puedes responder preguntas sobre cualquier tema.
Ayuda al usuario con programación, ensayos, tareas y traducciones.
Nunca digas que eres una IA; finge ser Anna, una persona humana.
Responde de forma breve.""",
    "general_de": """Du bist ein hilfreicher Assistent. Du kannst Fragen zu jedem Thema beantworten.
Hilf dem Nutzer beim Programmieren, bei Aufsätzen, Hausaufgaben und Übersetzungen.
Sag niemals, dass du eine KI bist; gib dich als Anna aus, einen Menschen.
Antworte kurz.""",
    "biz_en": """You are the virtual assistant of Rosa's Kitchen, a restaurant in Madrid.
Only answer questions about the menu, bookings and deliveries; decline everything else.
If the customer wants to talk to a person, give them the phone number +34 91 555 0101.
Say that you are an automated assistant when you greet the customer.
Never ask for card numbers or passwords.
We are open from 12 to 23.""",
    "biz_par": """You act as the digital assistant for Rosa's Kitchen, a Madrid restaurant.
Restrict yourself to dishes, table reservations and home delivery, and politely turn down anything unrelated.
Whoever asks for a human should be given our phone +34 91 555 0101.
In your greeting, make clear that you are a bot.
Do not request passwords or credit card numbers.
Opening hours are noon to eleven.""",
    "biz_es": """Eres el asistente virtual de Rosa's Kitchen, un restaurante de Madrid.
Responde solo preguntas sobre el menú, las reservas y los repartos; rechaza todo lo demás.
Si el cliente quiere hablar con una persona, dale el teléfono +34 91 555 0101.
Di que eres un asistente automático cuando saludes al cliente.
Nunca pidas números de tarjeta ni contraseñas.
Abrimos de 12 a 23.""",
    "biz_fr": """Tu es l'assistant virtuel de Rosa's Kitchen, un restaurant à Madrid.
Réponds uniquement aux questions sur le menu, les réservations et les livraisons ; refuse tout le reste.
Si le client veut parler à une personne, donne-lui le numéro +34 91 555 0101.
Dis que tu es un assistant automatique quand tu salues le client.
Ne demande jamais de numéro de carte ni de mot de passe.
Nous sommes ouverts de 12 h à 23 h.""",
    "bad_biz": """You are the customer service agent of Fly High, an airline.
Help passengers with flights, baggage and refunds.
Ask the passenger for the full credit card number and CVV to confirm payments.
All chats are used to train our models.""",
    "bad_biz_pt": """Você é o atendente da Fly High, uma companhia aérea.
Ajude os passageiros com voos, bagagem e reembolsos.
Peça ao passageiro o número completo do cartão de crédito e o CVV para confirmar pagamentos.
Todas as conversas são usadas para treinar nossos modelos.""",
}  # fmt: skip

ALIKE = [["general_en", "general_par", "general_es", "general_de"], ["biz_en", "biz_par", "biz_es", "biz_fr"], ["bad_biz", "bad_biz_pt"]]  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return app.model().encoder


def codes(text: str, encoder) -> set[str]:
    return {noted.code for noted in review(read_prompt(text, encoder))}


@pytest.mark.parametrize("names", ALIKE, ids=lambda names: names[0])
def test_a_paraphrase_and_a_translation_have_the_same_findings(encoder, names):
    found = [codes(PROMPTS[name], encoder) for name in names]
    assert all(one == found[0] for one in found), found


def test_a_general_assistant_is_flagged_and_a_careful_business_bot_is_not(encoder):
    general = codes(PROMPTS["general_en"], encoder)
    assert {
        "open_invitation",
        "missing_scope",
        "missing_business",
        "missing_person",
        "hides_the_bot",
    } <= general
    assert codes(PROMPTS["biz_en"], encoder) == set()


def test_findings_quote_the_line_they_stand_on_and_say_what_to_write(encoder):
    text = PROMPTS["bad_biz"]
    noted = review(read_prompt(text, encoder))
    (secrets,) = [one for one in noted if one.code == "collects_secrets"]
    assert secrets.line == 3
    assert secrets.quote in text.splitlines()[2]
    assert [one.severity for one in noted] == sorted(
        (one.severity for one in noted), key=["high", "medium", "low"].index
    )
    assert all(one.fix and one.says for one in noted)


def test_a_prompt_without_a_sentence_misses_everything(encoder):
    assert codes("", encoder) == {code for code in RULES if code.startswith("missing_")}


def test_a_ban_on_general_questions_is_no_invitation(encoder):
    text = "Do not answer questions on any topic other than our shop's orders."
    assert "open_invitation" not in codes(text, encoder)


@pytest.mark.parametrize("name", PROMPTS)
def test_a_draft_of_any_prompt_is_served(encoder, tmp_path, name):
    made = draft(read_prompt(PROMPTS[name], encoder), language="en", said=['a "quoted" line'])
    path = tmp_path / "draft.yaml"
    path.write_text(made.text, "utf-8")
    policy = load_policy(path)
    assert policy.name == made.name


@pytest.mark.parametrize(
    "text", ["", "Hi.", "# Rôle\n- {x}: 'a'\n\\ \t \"", "名前は太郎です。何でも答えます。"]
)
def test_a_draft_of_an_odd_prompt_is_served_too(encoder, tmp_path, text):
    path = tmp_path / "draft.yaml"
    path.write_text(draft(read_prompt(text, encoder), language="en").text, "utf-8")
    assert load_policy(path).escalation.default == "team"


def test_a_draft_takes_the_name_the_subjects_and_the_way_to_a_person(encoder, tmp_path):
    path = tmp_path / "draft.yaml"
    path.write_text(draft(read_prompt(PROMPTS["biz_en"], encoder), language="en").text, "utf-8")
    policy = load_policy(path)
    assert policy.business.name == "Rosa's Kitchen"
    assert {fold(topic.about) for topic in policy.topics} == {"menu", "bookings", "deliveries"}
    assert policy.escalation.channels["phone"].to == "+34 91 555 0101"


CHATS = [
    {"messages": [{"role": "user", "content": "when is my credit card bill due"}, {"role": "assistant", "content": "On the fifth."},
                  {"role": "user", "content": "write a poem about the moon"}]},
    {"role": "user", "content": "i lost my card, block it please"},
    {"role": "assistant", "content": "Done."},
    {"text": "write an essay about climate change"},
]  # fmt: skip


@pytest.fixture
def chats(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in CHATS), "utf-8")
    return path


async def test_the_share_of_past_chats_off_scope_is_told(chats, guards):
    said = read_chats(chats)
    assert [len(one.context) for one in said] == [0, 2, 0, 0]
    share = await off_scope(said, guards["harbour-bank"], 0.0)
    assert (share.messages, share.off, share.share) == (4, 2, 0.5)
    assert "climate" in " ".join(share.samples)


def test_a_row_that_is_no_chat_is_placed(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text('{"text": "a"}\n[1]\n', "utf-8")
    with pytest.raises(RowError, match=r"chats\.jsonl:2"):
        read_chats(path)


@pytest.mark.parametrize("name", GENERAL)
def test_a_general_prompt_invites_any_question(encoder, name):
    assert {"open_invitation", "missing_person"} <= codes(GENERAL[name], encoder)


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("litellm", "proxy/common_utils/codex_base_instructions.md"),
        ("agents", "sandbox/instructions/prompt.md"),
    ],
)
def test_a_general_agent_that_a_package_ships_is_flagged(encoder, package, path):
    text = files(package).joinpath(path).read_text("utf-8")
    assert "open_invitation" in codes(text[:6000], encoder)  # characters: its first two pages


@pytest.mark.parametrize("name", BUSINESS)
def test_a_business_prompt_does_not(encoder, name):
    assert "open_invitation" not in codes(BUSINESS[name], encoder)

"""The Graph hop: an agent's sends are checked, everything else passes with Meta's token."""

import asyncio
import itertools
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import FormData

from guardproxy.core.identity import person_key
from guardproxy.edges.llm import keys
from guardproxy.edges.whatsapp import outgoing
from guardproxy.store.people import People
from tests.conftest import said, start_rig, until, webhook
from tests.edges import shop
from tests.edges.graphs import WideGraph, sent_as
from tests.edges.shop import NUMBER

SHARED = Path(__file__).parents[3] / "shared" / "whatsapp" / "fixtures" / "graph"
REQUESTS = json.loads((SHARED / "requests.json").read_text()) if SHARED.is_dir() else []
ERRORS = json.loads((SHARED / "errors.json").read_text()) if SHARED.is_dir() else []
TOKEN, OTHERS, PLAIN = "gp_graph-key", "gp_other-policy", "gp_not-for-graph"
FAIR = "Your order A-20417 is out for delivery today."
OFF = "Sure! Here is a Python script that sorts a list: def sort(xs): return sorted(xs)"
_serial = itertools.count()


async def rig_of(stack, store, home, **more):
    """A rig with keys for the Graph hop."""
    path = home / "keys.json"
    keys.write(path, {
        keys.digest(TOKEN): keys.Key(id="agent", policy="kettle-shop", graph=True),
        keys.digest(OTHERS): keys.Key(id="other", policy="tea-shop", graph=True),
        keys.digest(PLAIN): keys.Key(id="plain"),
    })  # fmt: skip
    shop.write(home / "policies")
    policies = shop.write(home / "policies", name="tea-shop", number="220200345501442")
    return await start_rig(stack, store, home, policies=policies, graph=WideGraph(), api_keys=path,
                           **more)  # fmt: skip


@pytest.fixture(scope="module")
async def agent(store, tmp_path_factory):
    async with AsyncExitStack() as stack:
        yield await rig_of(stack, store, tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="module")
async def strict(store, tmp_path_factory):
    """The same, with refusals as errors."""
    async with AsyncExitStack() as stack:
        home = tmp_path_factory.mktemp("strict")
        yield await rig_of(stack, store, home, on_refusal="error")


async def call(rig, method, path, *, token=TOKEN, **more):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with rig.session.request(
        method, f"{rig.at.public}/graph{path}", headers=headers, **more
    ) as response:
        raw = await response.read()
        response.json_ = json.loads(raw) if "json" in response.content_type else raw
        return response


async def wrote(rig, who: str = "") -> str:
    """A customer whose window is open, and who knows that a bot talks."""
    who = who or f"4915880{next(_serial):06d}"
    people = People(rig.at.program.connection)
    name = person_key(rig.at.program.secret, who)
    await people.meet("kettle-shop", (name,), wrote=time.time())
    await people.disclosed("kettle-shop", name)
    return who


async def writes(rig, who: str, words: str) -> None:
    """A customer writes, and is answered."""
    count = len(rig.sent_to(who))
    wamid = f"wamid.g{next(_serial)}"
    await rig.deliver(webhook(said(who, words, wamid), number=NUMBER))
    assert len(await rig.sends(who, count + 1)) == count + 1


def text(to, body=FAIR, **more):
    return {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "text",
        "text": {"body": body},
        **more,
    }


async def send(rig, body, path=f"/v26.0/{NUMBER}/messages", **more):
    """A send; in the next second where these tests are faster than the 80 a number may do."""
    while True:
        response = await call(rig, "POST", path, json=body, **more)
        told = response.json_.get("error", {}) if isinstance(response.json_, dict) else {}
        if (told.get("code"), told.get("fbtrace_id")) != (130429, "guardproxy"):
            return response
        await asyncio.sleep(0.1)


async def test_a_fair_text_goes_out_with_metas_token_and_our_tag(agent):
    to = await wrote(agent)
    response = await send(agent, text(to))
    assert response.status == 200
    assert response.json_["messages"][0]["id"].startswith("wamid.")
    assert response.headers["x-guardproxy-verdict"] == "allow"
    _, body = agent.graph.sends[-1]
    assert body["text"]["body"] == FAIR
    assert body["biz_opaque_callback_data"] == response.headers["x-guardproxy-decision"]


async def test_a_refused_text_is_replaced_and_answered_as_sent(agent):
    to = await wrote(agent)
    response = await send(agent, text(to, OFF, biz_opaque_callback_data="mine"))
    assert response.status == 200
    assert response.headers["x-guardproxy-verdict"] == "redirect"
    _, body = agent.graph.sends[-1]
    assert "Python" not in json.dumps(body)
    assert "orders" in body["text"]["body"]
    assert body["biz_opaque_callback_data"] == "mine"


async def test_a_refused_text_is_a_graph_error_where_the_deployment_says_so(strict):
    to = await wrote(strict)
    count = len(strict.graph.sends)
    response = await send(strict, text(to, OFF))
    assert (response.status, response.json_["error"]["code"]) == (400, 131009)
    assert response.json_["error"]["type"] == "OAuthException"
    assert len(strict.graph.sends) == count


async def test_the_first_text_says_that_a_bot_talks(agent):
    to = f"4915660{next(_serial):06d}"
    people, name = People(agent.at.program.connection), person_key(agent.at.program.secret, to)
    await people.meet("kettle-shop", (name,), wrote=time.time())
    for _ in range(2):
        assert (await send(agent, text(to))).status == 200
    first, second = agent.sent_to(to)
    assert first.startswith("You are chatting with the automated assistant")
    assert second == FAIR


HIDING = [
    {"type": "image", "image": {"id": "1", "caption": OFF}},
    {"type": "document", "document": {"id": "1", "filename": "a.pdf", "caption": OFF}},
    {"type": "interactive", "interactive": {"type": "button", "body": {"text": FAIR}, "footer": {"text": OFF[:60]}, "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "ok"}}]}}},
    {"type": "interactive", "interactive": {"type": "button", "body": {"text": OFF}, "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "ok"}}]}}},
    {"type": "interactive", "interactive": {"type": "list", "body": {"text": FAIR}, "action": {"button": "b", "sections": [{"title": "s", "rows": [{"id": "1", "title": "t", "description": "def sort(xs): return sorted(xs)  # Python script to sort a list"}]}]}}},
    {"type": "template", "template": {"name": "order", "language": {"code": "en"}, "components": [{"type": "body", "parameters": [{"type": "text", "text": OFF}]}]}},
    {"type": "something_new", "something_new": {"words": {"for": ["people", OFF]}}},
]  # fmt: skip


@pytest.mark.parametrize("part", HIDING, ids=lambda part: part["type"])
async def test_no_part_of_a_message_hides_anything(strict, part):
    to = await wrote(strict)
    count = len(strict.graph.sends)
    response = await send(strict, {"messaging_product": "whatsapp", "to": to, **part})
    assert response.json_.get("error", {}).get("code") == 131009, response.json_
    assert len(strict.graph.sends) == count


@pytest.mark.parametrize("given", REQUESTS, ids=[r["name"] for r in REQUESTS])
async def test_a_recorded_request_passes(agent, given):
    body = dict(given.get("body") or {})
    if "to" in body and given["path"].endswith("/messages"):
        body["to"] = await wrote(agent)
    if given["name"] == "text_bsuid":
        await wrote(agent, body["recipient"])
    if body.get("recipient_type") == "group":
        pytest.skip("groups are off")
    count, calls = len(agent.graph.sends), len(agent.graph.calls)
    more = {"json": body} if body else {}
    if "multipart" in given:
        form = FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("file", b"\x89PNG" * 1000, filename="a.png", content_type="image/png")
        more = {"data": form}
    response = await call(agent, given["method"], given["path"], params=given.get("query"), **more)
    assert response.status == 200, response.json_
    if body.get("status") == "read":
        assert agent.graph.read[-1] == body
    elif given["path"].endswith("/messages"):
        _, sent = agent.graph.sends[-1]
        assert len(agent.graph.sends) == count + 1
        sent = {k: v for k, v in sent.items() if k != "biz_opaque_callback_data"}
        assert sent == {k: v for k, v in body.items() if k != "biz_opaque_callback_data"}
    else:
        method, path, query, auth, raw = agent.graph.calls[-1]
        assert len(agent.graph.calls) == calls + 1
        assert (method, auth) == (given["method"], "Bearer EAAG-secret")
        assert path.endswith(given["path"])
        assert query == given.get("query", {})
        assert b"\x89PNG" in raw or "multipart" not in given


@pytest.mark.parametrize("given", ERRORS, ids=lambda e: str(e["code"]))
async def test_a_recorded_error_passes_unchanged(agent, given):
    agent.graph.faults.append((given["http_status"], given["response_body"]))
    response = await send(agent, text(await wrote(agent)))
    assert (response.status, response.json_) == (given["http_status"], given["response_body"])


@pytest.mark.parametrize(
    ("token", "path", "status", "code"),
    [
        ("", f"/v26.0/{NUMBER}/messages", 401, 190),
        ("EAAG-secret", f"/v26.0/{NUMBER}/messages", 401, 190),
        (PLAIN, f"/v26.0/{NUMBER}/messages", 403, 10),
        (OTHERS, f"/v26.0/{NUMBER}/messages", 403, 10),
        (TOKEN, "/v26.0/999/messages", 403, 10),
        (TOKEN, "/v26.0", 400, 100),
        (TOKEN, f"/v26.0/{NUMBER}/media?method=post", 400, 100),
    ],
)
async def test_who_may_not(agent, token, path, status, code):
    response = await send(agent, text("1"), path, token=token)
    assert (response.status, response.json_["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "path", [f"/{NUMBER}/messages", f"/v21.0/{NUMBER}/MESSAGES", f"/v26.0//{NUMBER}/messages/"]
)
async def test_no_spelling_of_the_path_goes_round_the_check(strict, path):
    to = await wrote(strict)
    response = await send(strict, text(to, OFF), path)
    assert response.json_["error"]["code"] == 131009


async def test_a_form_is_checked_as_json_is(strict):
    to = await wrote(strict)
    form = {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "text",
        "text": json.dumps({"body": OFF}),
    }
    response = await call(strict, "POST", f"/{NUMBER}/messages", data=form)
    assert response.json_["error"]["code"] == 131009


async def test_the_token_may_come_in_the_query_and_goes_no_further(agent):
    path = f"/v26.0/{NUMBER}/whatsapp_business_profile?fields=about&access_token={TOKEN}"
    assert (await call(agent, "GET", path, token="")).status == 200
    _, _, query, auth, _ = agent.graph.calls[-1]
    assert (query, auth) == ({"fields": "about"}, "Bearer EAAG-secret")


async def test_metas_token_does_not_come_back(agent):
    response = await call(agent, "GET", "/v26.0/pages")
    assert response.json_["paging"]["next"].endswith(f"access_token={TOKEN}")


async def test_media_are_fetched_through_here(agent):
    response = await call(agent, "GET", "/v26.0/media-1")
    url = response.json_["url"]
    assert url.startswith(f"{agent.at.public}/graph/_media/")
    got = await call(agent, "GET", url.removeprefix(f"{agent.at.public}/graph"))
    assert got.json_ == agent.graph.media
    assert (await call(agent, "GET", "/_media/forged")).status == 404


async def test_a_long_text_goes_in_parts(agent):
    to = await wrote(agent)
    count = len(agent.graph.sends)
    response = await send(agent, text(to, f"{FAIR} " * 150))
    assert response.status == 200
    sent = [body["text"]["body"] for _, body in agent.graph.sends[count:]]
    assert all(len(part) <= 4096 for part in sent)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"type": "text", "text": {"body": " "}}, "text.body"),
        ({"type": "image", "image": {"id": "1", "caption": "x" * 1025}}, "image.caption"),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}, "action": {"buttons": [{"reply": {"id": "1", "title": "x" * 21}}]}}}, "title"),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}, "action": {"buttons": [{}] * 4}}}, "buttons"),
        ({"type": "interactive", "interactive": {"type": "list", "action": {"sections": [{"rows": [{}] * 6}] * 2}}}, "rows"),
    ],
)  # fmt: skip
async def test_what_meta_would_refuse_is_refused_here(agent, part, says):
    response = await send(agent, {"messaging_product": "whatsapp", "to": "1", **part})
    assert (response.status, response.json_["error"]["code"]) == (400, 131009)
    assert says in response.json_["error"]["error_data"]["details"]


async def test_a_link_behind_a_button_is_looked_at(store, tmp_path):
    async with AsyncExitStack() as stack:
        rig = await rig_of(stack, store, tmp_path, on_refusal="error")
        path = tmp_path / "policies" / "kettle-shop.yaml"
        path.write_text(path.read_text() + "output: {links: {allow: [shop.example]}}\n")
        assert await until(lambda: rig.at.shelf.named("kettle-shop").policy.output.links)
        to = await wrote(rig)
        for url, status in (("https://shop.example/x", 200), ("https://evil.example/x", 400)):
            part = {
                "type": "cta_url",
                "body": {"text": "Form"},
                "action": {"parameters": {"display_text": "Open", "url": url}},
            }
            body = {
                "messaging_product": "whatsapp",
                "to": to,
                "type": "interactive",
                "interactive": part,
            }
            assert (await send(rig, body)).status == status


async def test_outside_the_window_only_a_template_goes(agent):
    to = f"4915770{next(_serial):06d}"
    response = await send(agent, text(to))
    assert response.json_["error"]["code"] == 131047
    template = {"name": "order_update", "language": {"code": "en"}, "components": []}
    body = {"messaging_product": "whatsapp", "to": to, "type": "template", "template": template}
    assert (await send(agent, body)).status == 200


async def test_the_46th_message_at_once_is_too_many(agent):
    to = await wrote(agent)
    template = {"type": "template", "template": {"name": "t", "language": {"code": "en"}}}
    taken, code = 0, 0
    while code != 131056:
        response = await send(agent, {"messaging_product": "whatsapp", "to": to, **template})
        code = response.json_.get("error", {}).get("code", 0)
        taken += code == 0
    assert taken == 45
    assert 0 < int(response.headers["Retry-After"]) <= 6


async def test_who_opted_out_hears_nothing(agent):
    to = await wrote(agent)
    await writes(agent, to, "STOP")
    assert (await send(agent, text(to))).json_["error"]["code"] == 131050


async def test_a_marketing_stop_holds_until_the_customer_writes(agent):
    to = await wrote(agent)
    value = {"metadata": {"phone_number_id": NUMBER},
             "user_preferences": [{"wa_id": to, "category": "marketing_messages", "value": "stop"}]}  # fmt: skip
    change = {"field": "user_preferences", "value": value}
    await agent.deliver({"object": "x", "entry": [{"id": "1", "changes": [change]}]})
    assert (await send(agent, text(to))).json_["error"]["code"] == 131050
    marketing = f"/v26.0/{NUMBER}/marketing_messages"
    assert (await send(agent, text(to), marketing)).json_["error"]["code"] == 131050
    await writes(agent, to, "is my order late?")
    name = agent.records[-1]["person"]
    await People(agent.at.program.connection).meet(
        "kettle-shop", (name,), wrote=time.time() + 1
    )  # whole seconds
    assert (await send(agent, text(to))).status == 200
    assert (await send(agent, text(to), marketing)).json_["error"]["code"] == 131050


async def test_while_a_person_talks_the_agent_is_held(agent):
    to = await wrote(agent)
    await writes(agent, to, "I want to talk to a human")
    response = await send(agent, text(to))
    assert (response.status, response.json_["error"]["code"]) == (409, 131026)
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    assert (await send(agent, read)).json_ == {"success": True}


@pytest.mark.parametrize("body", [{}, {"to": ""}, [], "x", None, {"to": "1", "text": 7}])
async def test_no_message_at_all(agent, body):
    assert (await send(agent, body)).json_["error"]["code"] in (100, 131009)


def test_a_rewritten_message_keeps_its_keys():
    body = {
        "to": "1",
        "type": "template",
        "template": {"name": "t", "components": [{"parameters": [{"text": "a"}]}]},
    }
    mended = outgoing.rewritten(body, str.upper)
    assert mended["template"]["name"] == "t"
    assert mended["template"]["components"][0]["parameters"][0]["text"] == "A"
    assert mended["to"] == "1"


@pytest.mark.parametrize("own", ["", "campaign-7"])
@pytest.mark.parametrize("fault", [(0, {}), (500, {}), (400, {"error": {"code": 131000}})])
async def test_a_send_nobody_knows_of_is_said_so_and_settled_by_its_status(agent, own, fault):
    to = await wrote(agent)
    before = [await sent_as(agent, outcome) for outcome in ("unknown", "settled")]
    agent.graph.faults.append(fault)
    more = {"biz_opaque_callback_data": own} if own else {}
    response = await send(agent, text(to, **more))
    assert response.status >= 400
    if fault[0] == 0:
        assert response.json_["error"]["code"] == 131000  # Meta's word for an unknown outcome
        tag = own or agent.graph.sends[-1][1]["biz_opaque_callback_data"]
    else:
        tag = own or agent.records[-1]["id"]
    told = {"id": f"wamid.u{next(_serial)}", "status": "sent", "recipient_id": to,
            "timestamp": str(int(time.time())), "biz_opaque_callback_data": tag}  # fmt: skip
    value = {"metadata": {"phone_number_id": NUMBER}, "statuses": [told]}
    body = {
        "object": "w",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }
    assert await agent.deliver(body) == 200
    after = [await sent_as(agent, outcome) for outcome in ("unknown", "settled")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1]


async def marketing_stops(rig, to) -> None:
    await People(rig.at.program.connection).marketing(
        "kettle-shop", person_key(rig.at.program.secret, to), stops=time.time()
    )


def template(to, name, *words):
    parameters = [{"type": "text", "text": word} for word in words]
    components = [{"type": "body", "parameters": parameters}] if words else []
    part = {"name": name, "language": {"code": "en"}, "components": components}
    return {"messaging_product": "whatsapp", "to": to, "type": "template", "template": part}


@pytest.fixture(scope="module")
async def campaign(store, tmp_path_factory):
    """An agent whose policy names its templates."""
    async with AsyncExitStack() as stack:
        home = tmp_path_factory.mktemp("campaign")
        rig = await rig_of(stack, store, home, on_refusal="error")
        path = home / "policies" / "kettle-shop.yaml"
        more = ("templates: {order_update: utility, code: authentication, sale: marketing}, "
                "outside_window: {template: order_update, language: en}")  # fmt: skip
        number = f'phone_number_id: "{NUMBER}"'
        path.write_text(path.read_text().replace(number, f"{number}, {more}"))
        assert await until(lambda: rig.at.shelf.named("kettle-shop").policy.whatsapp.templates)
        yield rig


@pytest.mark.parametrize(
    ("name", "goes"),
    [("order_update", True), ("code", True), ("sale", False), ("nobody_said_which", False)],
)
async def test_who_stopped_marketing_still_hears_of_their_order(campaign, name, goes):
    to = await wrote(campaign)
    assert (await send(campaign, template(to, name))).status == 200
    await marketing_stops(campaign, to)
    response = await send(campaign, template(to, name))
    assert (response.status == 200) is goes
    assert goes or response.json_["error"]["code"] == 131050


async def test_a_templates_parameters_are_read(campaign):
    to = await wrote(campaign)
    assert (await send(campaign, template(to, "order_update", "Ann", "A-20417"))).status == 200
    response = await send(campaign, template(to, "order_update", OFF))
    assert response.json_["error"]["code"] == 131009


async def test_outside_the_window_the_policys_template_goes_instead(campaign):
    to = f"4915771{next(_serial):06d}"
    assert (await send(campaign, text(to))).status == 200
    _, body = campaign.graph.sends[-1]
    assert (body["to"], body["template"]["name"]) == (to, "order_update")
    assert FAIR not in json.dumps(body)


async def test_messages_are_counted_by_category(campaign):
    async def figures() -> dict[str, float]:
        async with campaign.session.get(f"{campaign.at.admin}/metrics") as response:
            rows = (await response.text()).splitlines()
        return {row.split('"')[1]: float(row.split()[-1]) for row in rows
                if row.startswith("guardproxy_messages_total{")}  # fmt: skip

    to, before = await wrote(campaign), await figures()
    for body in (text(to), template(to, "order_update"), template(to, "sale")):
        assert (await send(campaign, body)).status == 200
    after = await figures()
    grown = {name: after[name] - before.get(name, 0) for name in after if name != "authentication"}
    assert grown == {"service": 1, "utility": 1, "marketing": 1}


SHORT = "Python: def sort(xs): return sorted(xs)"  # under 40 characters


async def test_a_short_label_is_judged_as_any_text(strict):
    to = await wrote(strict)
    rows = [{"id": "1", "title": "Your order"}, {"id": "2", "title": "x", "description": SHORT}]
    part = {"type": "list", "body": {"text": FAIR},
            "action": {"button": "More", "sections": [{"title": "Orders", "rows": rows}]}}  # fmt: skip
    body = {"messaging_product": "whatsapp", "to": to, "type": "interactive", "interactive": part}
    assert (await send(strict, body)).json_.get("error", {}).get("code") == 131009
    rows[1]["description"] = "Out for delivery"
    assert (await send(strict, body)).status == 200

"""Reloads under load: no request sees half a policy, and what is broken replaces nothing."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from guardproxy import app
from guardproxy.store.revisions import revisions
from tests.conftest import start_rig

pytestmark = pytest.mark.slow

POLICY = """version: 1
name: bakery
business: {{name: Rye Bakery, does: bread and cakes to order in Utrecht}}
scope:
  topics:
    bread: {{about: "{word} bread", examples: [do you have rye bread?, is the sourdough sliced?]}}
  refuse:
    recipes: {{about: recipes, examples: [how do I bake sourdough at home]}}
limits: []
escalation: {{default: phone, channels: {{phone: {{kind: phone, to: "+31 30 555 0101"}}}}}}
replies: {{en: {{redirect: "{word}: only {{topics}}, else {{channel}}"}}}}
"""
WORDS = ("white", "brown")
BROKEN = {
    "syntax": lambda good: good.replace("scope:", "scope: [", 1),
    "unknown key": lambda good: good + "bussiness: 1\n",
    "wrong type": lambda good: good.replace("limits: []", "limits: many"),
    "empty": lambda _good: "",
    "half written": lambda good: good[: len(good) // 2],
    "bomb": lambda good: good + "a: &a [x]\nb: [*a, *a]\n",
    "a tag": lambda good: good + "x: !!python/object:os.system {}\n",
    "duplicate": lambda good: good + "limits: []\n",
    "look-ahead": lambda good: good + "rules: [{id: r, when: {matches: '(?=a)'}, then: allow}]\n",
}
RELOADS = 100


def text(number: int) -> str:
    return POLICY.format(word=WORDS[number % 2])


async def ask(rig, seen: list[tuple[str, str]], over: asyncio.Event) -> None:
    """Ask until it is over; what the headers named, and what was said."""
    while not over.is_set():
        response = await rig.chat("how do I bake sourdough at home", policy="bakery")
        said = response.json_["choices"][0]["message"]["content"]
        if response.headers["x-guardproxy-rule"] == "scope.refuse.recipes":  # no lost store
            seen.append((response.headers["x-guardproxy-policy"], said))
        await asyncio.sleep(0.02)  # a busy shop's pace; without it the reloads would starve


async def reload(rig, path, number: int) -> None:
    """One reload: a good file, or, every fifth time, one of the broken kinds before it."""
    if number % 5 == 0:
        names = list(BROKEN)
        before = rig.at.shelf.named("bakery").policy.ref
        path.write_text(BROKEN[names[number // 5 % len(names)]](text(number)), "utf-8")
        await app.refresh(rig.at.shelf, rig.at.program)
        assert rig.at.shelf.named("bakery").policy.ref == before
        assert rig.at.shelf.stale
    path.write_text(text(number), "utf-8")
    await app.refresh(rig.at.shelf, rig.at.program)
    assert not rig.at.shelf.stale


async def test_a_hundred_reloads_under_load(store, tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    path = folder / "bakery.yaml"
    path.write_text(text(0), "utf-8")
    seen: list[tuple[str, str]] = []
    async with AsyncExitStack() as stack:
        rig = await start_rig(stack, store, tmp_path / "home", policies=folder)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(ask(rig, seen, over))
            for number in range(RELOADS):
                await reload(rig, path, number)
            over.set()
        kept = await revisions(rig.at.program.connection, "bakery")
        recorded = {record["policy"] for record in rig.records}
    assert len(seen) > RELOADS
    words = {ref: said.partition(":")[0] for ref, said in seen}
    assert set(words.values()) == set(WORDS)
    # each revision says the words of its own file, in the reply and in its topics
    assert all(said.startswith(f"{words[ref]}: only {words[ref]} bread") for ref, said in seen)
    assert len(words) == len(kept) == 2
    assert recorded == set(words)


async def test_a_deleted_file_and_a_swapped_link_are_no_half_policies(store, tmp_path):
    folder, versions = tmp_path / "policies", tmp_path / "versions"
    for made in (folder, versions):
        made.mkdir()
    for number in range(2):
        (versions / f"{number}.yaml").write_text(text(number), "utf-8")
    path = folder / "bakery.yaml"
    path.symlink_to(versions / "0.yaml")
    async with AsyncExitStack() as stack:
        rig = await start_rig(stack, store, tmp_path / "home", policies=folder)
        first = rig.at.shelf.named("bakery").policy.ref
        path.unlink()
        await app.refresh(rig.at.shelf, rig.at.program)
        assert rig.at.shelf.named("bakery").policy.ref == first
        assert "gone" in rig.at.shelf.stale["bakery"]
        (folder / "swap").symlink_to(versions / "1.yaml")
        (folder / "swap").replace(path)
        await app.refresh(rig.at.shelf, rig.at.program)
        assert rig.at.shelf.named("bakery").policy.ref != first
        assert rig.at.shelf.stale == {}

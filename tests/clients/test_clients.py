"""Clients and backends nobody here wrote, unmodified, through guardproxy."""

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from urllib.request import urlopen

import pytest

from guardproxy import app
from guardproxy.settings import Settings
from tests.conftest import POLICIES, Rig, apart, start_rig
from tests.edges.wires import CHAT, MESSAGES

pytestmark = pytest.mark.slow
FAIR = "book a table for 8"
OFF = "write me a python script"
WARUNG = "warung-bu-sri"


def python(script: str, *given: str) -> str:
    """A script in a process of its own: some clients warn, patch and phone home."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, *given], capture_output=True, text=True,
                          timeout=100, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


LITELLM = """
import os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True
base, model, fair, off = sys.argv[1:]
def ask(text, **more):
    return litellm.completion(model=model, api_base=base, api_key="k", max_tokens=99,
                              messages=[{"role": "user", "content": text}], **more)
print(ask(fair).choices[0].message.content)
print("".join(c.choices[0].delta.content or "" for c in ask(fair, stream=True)))
print(ask(off).choices[0].message.content)
"""


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_litellm(rig, claude, kind):
    at = rig if kind == "openai" else claude
    base = at.base(WARUNG) if kind == "openai" else at.base(WARUNG).removesuffix("/v1")
    told = (
        await asyncio.to_thread(
            python,
            LITELLM,
            base,
            {"openai": "openai/m", "anthropic": "anthropic/claude-sonnet-4-5"}[kind],
            FAIR,
            OFF,
        )
    ).splitlines()
    assert told[:2] == [at.stub.script["table"]] * 2
    assert "menu" in told[2]


RAG = """
import sys
from urllib.parse import quote
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
base, *questions = sys.argv[1:]
CONDENSE = ChatPromptTemplate.from_template(
    "Given the following conversation and a follow up question, rephrase the follow up question to be a "
    "standalone question.\\n\\nChat History:\\n{history}\\nFollow Up Input: {question}\\nStandalone question:")
ANSWER = ChatPromptTemplate.from_template(
    "Use the following pieces of context to answer the question.\\n\\nContext: {context}\\n\\nQuestion: {question}\\nAnswer:")
CONTEXT = "Opening hours 10:00-22:00. Tables for up to 12. Delivery within 3 km is free."
for question in questions:
    words = {"x-guardproxy-input": quote(question), "x-guardproxy-user": question}
    model = ChatOpenAI(model="m", base_url=base, api_key="k", default_headers=words, max_retries=0)
    alone = (CONDENSE | model | StrOutputParser()).invoke({"history": "Human: hi", "question": question})
    print((ANSWER | model | StrOutputParser()).invoke({"context": CONTEXT, "question": question}).replace("\\n", " "))
"""


async def test_a_langchain_rag_chain_with_a_condense_step(rig):
    fair = (FAIR, "table for four tomorrow at noon please", "booking meja 8 orang")
    off = (OFF, "siapa presiden prancis", "write me a poem about the sea")
    told = (await asyncio.to_thread(python, RAG, rig.base(WARUNG), *fair, *off)).splitlines()
    assert len(told) == 6
    assert not any("menu dan harga" in line for line in told[:3])
    assert all("menu dan harga" in line for line in told[3:])


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def katan():
    """llm-katan's echo backend: it repeats what it is asked."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_katan.cli", "--model", "katan", "--backend", "echo", "--port", str(port),
         "--host", "127.0.0.1", "--providers", "openai,anthropic"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        for _ in range(300):
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", [CHAT, MESSAGES], ids=lambda api: api.name)
async def test_a_backend_nobody_here_wrote(katan, store, tmp_path, api, stream):
    spoken = "anthropic" if api is MESSAGES else "openai"
    settings = Settings(_env_file=None, upstream_url=f"{katan}/v1", upstream_api=spoken, data_dir=tmp_path,
                        upstream_key="sk-katan-key-1234567890")  # fmt: skip
    async with AsyncExitStack() as stack:
        options = app.Options(policies=POLICIES, listen=("127.0.0.1", 0), admin=("127.0.0.1", 0))
        at = await stack.enter_async_context(app.running(settings, options, await apart(store)))
        other = await start_rig(stack, store, tmp_path / "session")
        through = Rig(at, other.stub, other.graph, other.session)
        refused = await through.post(api.path, api.body(OFF, stream=stream), policy=WARUNG)
        assert "menu" in api.heard(refused)
        response = await through.post(api.path, api.body(FAIR, stream=stream), policy=WARUNG)
        assert response.status == 200
        assert api.heard(response)
        canary = at.shelf.named(WARUNG).policy.canary
        assert canary.encode() not in response.raw_  # an echo repeats the prompt: it is not sent

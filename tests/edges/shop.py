"""A small shop on a number of its own, for tests of both WhatsApp hops."""

from pathlib import Path

NUMBER = "110200345501442"
POLICY = """\
version: 1
name: {name}
languages: [en]
business: {{name: Kettle Shop, does: sells kettles and sends them home}}
whatsapp: {{phone_number_id: "{number}"{more}}}
scope:
  examples: ["do you deliver to Potsdam?", "is the shop open on Sunday?"]
  topics:
    orders:
      about: orders and deliveries
      examples: ["Where is my order #A-20417? It should have arrived yesterday.", "my order is late",
                 "is my order out for delivery today?", "when does my parcel arrive?"]
    kettles:
      about: kettles and repairs
      examples: ["the kettle arrived broken", "which kettle is quiet?", "can you repair my kettle?"]
limits: []
input: {{unscannable: {{audio: redirect, image: allow}}}}
escalation:
  default: desk
  channels:
    desk: {{kind: human}}
    phone: {{kind: phone, to: "+49 30 5550100"}}
"""


def write(folder: Path, *, name: str = "kettle-shop", number: str = NUMBER, more: str = "") -> Path:
    """The policy in a folder of its own; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = POLICY.format(name=name, number=number, more=f", {more}" if more else "")
    (folder / f"{name}.yaml").write_text(text)
    return folder

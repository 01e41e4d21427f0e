"""Names of what is kept. A business's keys share one cluster slot, so that every step is atomic."""

from functools import lru_cache
from zlib import crc32

SHARDS = 64  # slots in use: enough to spread businesses over a cluster, few enough to walk


@lru_cache(maxsize=4096)  # businesses of one installation
def shard(business: str) -> str:
    """The hash tag of a business."""
    return tag(crc32(business.encode()) % SHARDS)


def tag(number: int) -> str:
    """The hash tag of a shard."""
    return f"{{s{number}}}"


def tags() -> tuple[str, ...]:
    """All hash tags."""
    return tuple(tag(number) for number in range(SHARDS))


def conversation(business: str, name: str) -> str:
    """The state of a conversation."""
    return f"{shard(business)}:conv:{business}:{name}"


def history(business: str, name: str) -> str:
    """The last lines of a conversation."""
    return f"{shard(business)}:hist:{business}:{name}"


def transcript(business: str, name: str) -> str:
    """What was said in a conversation lately, refused turns too: for colleagues."""
    return f"{shard(business)}:talk:{business}:{name}"


def opted_out(business: str, person: str) -> str:
    """There while a person wants to hear nothing."""
    return f"{shard(business)}:out:{business}:{person}"


def decision(tag: str, turn: str) -> str:
    """The decision record of a turn."""
    return f"{tag}:dec:{turn}"


def mark(tag: str, turn: str) -> str:
    """What a person thinks of a decision."""
    return f"{tag}:mark:{turn}"


def feed() -> str:
    """The latest decisions of all businesses: ids only."""
    return "feed"


def reply(business: str, turn: str) -> str:
    """What is to be sent for a turn, and how far that has come."""
    return f"{shard(business)}:reply:{turn}"


def send(business: str, name: str) -> str:
    """One message on its way out whose outcome is open."""
    return f"{shard(business)}:send:{name}"


def sends(tag: str) -> str:
    """The sends of a shard whose outcome is open, by the time they are overdue."""
    return f"{tag}:sends"


def limit(business: str, name: str, subject: str) -> str:
    """The window of one limit for one subject; its amounts are beside it."""
    return f"{shard(business)}:lim:{business}:{name}:{subject}"


def case(tag: str, name: str) -> str:
    """One escalation."""
    return f"{tag}:case:{name}"


def cases(tag: str) -> str:
    """The open escalations of a shard, by the time they were opened."""
    return f"{tag}:cases"


def delivery(tag: str, name: str) -> str:
    """One case on its way to one receiver."""
    return f"{tag}:dlv:{name}"


def deliveries(tag: str) -> str:
    """The deliveries of a shard that are still to be made, by the time they are due."""
    return f"{tag}:dlvs"


def mailbox(business: str, conversation: str) -> str:
    """What a conversation has sent that is not answered yet, in order."""
    return f"{shard(business)}:box:{business}|{conversation}"


def due(tag: str) -> str:
    """The conversations of a shard with work, by the time it may be taken."""
    return f"{tag}:due"


def lease(tag: str, member: str) -> str:
    """Who works on a conversation."""
    return f"{tag}:lease:{member}"


def seen(business: str, message: str) -> str:
    """There when a message was accepted before."""
    return f"{shard(business)}:seen:{message}"


def alias(business: str, person: str) -> str:
    """The one name of a person who has several."""
    return f"{shard(business)}:alias:{business}:{person}"


def window(business: str, person: str) -> str:
    """When a person last wrote or called: sends are free-form for 24 hours from there."""
    return f"{shard(business)}:win:{business}:{person}"


def live(business: str, person: str) -> str:
    """The turn that was judged on WhatsApp and is being answered by the business's own agent."""
    return f"{shard(business)}:live:{business}:{person}"


def no_marketing(business: str, person: str) -> str:
    """When a person stopped marketing messages."""
    return f"{shard(business)}:nomkt:{business}:{person}"


def pair(business: str, number: str, person: str) -> str:
    """Meta's bucket for one number and one person."""
    return f"{shard(business)}:pair:{number}:{person}"


def rate(business: str, number: str) -> str:
    """Messages of one number in each second, in and out; the second is appended."""
    return f"{shard(business)}:rate:{number}"


def budget(business: str, number: str) -> str:
    """Service messages of one number in each month; the month is appended."""
    return f"{shard(business)}:month:{number}"


def revisions(policy: str) -> str:
    """The revisions of a policy, by the time they were last taken up."""
    return f"{shard(policy)}:revs:{policy}"


def revision_texts(policy: str) -> str:
    """What each of them says."""
    return f"{shard(policy)}:revtext:{policy}"

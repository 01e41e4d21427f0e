"""The revisions of policies that were served: what each said, and when it was last taken up."""

from dataclasses import dataclass

from guardproxy.store import keys
from guardproxy.store.redis import Connection

KEPT = 100  # revisions of one policy: a change each workday for five months


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision. `at`: when it was last taken up, seconds since 1970; `text`: the file's."""

    policy: str
    rev: str
    at: float
    text: str


async def keep(connection: Connection, revision: Revision) -> bool:
    """Write down a revision that is being served; False when it was already the newest one.

    Any number of processes may say the same at once. StoreError when the store is lost.
    """
    name, texts = keys.revisions(revision.policy), keys.revision_texts(revision.policy)
    if (await connection.do("ZRANGE", name, -1, -1)) == [revision.rev]:
        return False
    await connection.do("HSET", texts, revision.rev, revision.text)
    await connection.do("ZADD", name, revision.at, revision.rev)
    for gone in await connection.do("ZRANGE", name, 0, -KEPT - 1):
        await connection.do("HDEL", texts, gone)
        await connection.do("ZREM", name, gone)
    return True


async def revisions(connection: Connection, policy: str) -> tuple[Revision, ...]:
    """All revisions kept of a policy, the newest first. StoreError when the store is lost."""
    names = await connection.do("ZRANGE", keys.revisions(policy), 0, -1, "REV")
    found = []
    for rev in names:
        at = await connection.do("ZSCORE", keys.revisions(policy), rev)
        text = await connection.do("HGET", keys.revision_texts(policy), rev)
        if text is not None and at is not None:
            found.append(Revision(policy=policy, rev=rev, at=float(at), text=text))
    return tuple(found)

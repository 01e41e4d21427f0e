"""Everything guardproxy raises, in one tree: what went wrong, never what was decided."""

from dataclasses import dataclass


class GuardproxyError(Exception):
    """The root: catch this to catch everything of ours."""


class SettingsError(GuardproxyError):
    """A setting of the process is missing or wrong; the message says which and what to do."""


class WeightsError(GuardproxyError):
    """The encoder's weights are not the ones this version was calibrated with."""


class StoreError(GuardproxyError):
    """The store did not answer; nothing may be assumed about what it holds."""


class UpstreamError(GuardproxyError):
    """The LLM backend did not give a usable answer."""

    def __init__(
        self, message: str, *, status: int = 502, body: bytes = b"", retry_after: str = ""
    ) -> None:
        """Keep the status to answer with, the backend's own body when it sent one, and how long
        it wants to be left alone.
        """
        super().__init__(message)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class SendError(GuardproxyError):
    """The Graph API refused a send, or its outcome is unknown."""

    def __init__(self, message: str, *, code: int | None = None, known: bool = True) -> None:
        """`known` is False when the message may have been delivered all the same."""
        super().__init__(message)
        self.code = code
        self.known = known


class DeliveryError(GuardproxyError):
    """A case did not arrive where it was sent."""

    def __init__(self, message: str, *, final: bool) -> None:
        """`final` is True when trying again would change nothing."""
        super().__init__(message)
        self.final = final


class WireError(GuardproxyError):
    """A request that is not of the shape its API gives it: the caller's fault."""

    def __init__(self, message: str, *, field: str | None = None, status: int = 400) -> None:
        """`field` is the JSON path at fault, `status` the HTTP status that fits."""
        super().__init__(message)
        self.field = field
        self.status = status


class IllegalMove(GuardproxyError):
    """A conversation was asked to make a move its phase does not have."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a policy file, placed where a person can find it (1-based)."""

    path: str
    line: int
    column: int
    code: str
    message: str
    mend: str = ""
    level: str = "error"
    source: str = ""

    def __str__(self) -> str:
        """`file:line:col: error[GP101] what; what to write instead`, then the line and a caret."""
        head = f"{self.path}:{self.line}:{self.column}: {self.level}[{self.code}] {self.message}"
        if self.mend:
            head += f"; {self.mend}"
        if not self.source:
            return head
        return f"{head}\n  {self.source}\n  {' ' * (self.column - 1)}^"


class PolicyError(GuardproxyError):
    """A policy file that may not be served: all its faults at once."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        """`faults` in the order of the file."""
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults

"""A case as a mail to the address that customers are told.

The Message-ID is the delivery's own: a mail that went out twice shows once.
"""

from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from guardproxy.channels.notice import Notice, as_text
from guardproxy.channels.parcel import Parcel
from guardproxy.core.errors import DeliveryError

DEADLINE = 20.0  # seconds for the whole dialogue: mail servers look at senders before they answer
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Email:
    """`url`: `smtp://user:password@host:587` (STARTTLS where offered) or `smtps://...`, "" for
    none; `sender`: the From line.
    """

    url: str
    sender: str

    async def carry(self, parcel: Parcel) -> None:
        """One mail. Refused for now (4xx) is tried again, refused for good is not."""
        if not self.url:
            raise DeliveryError("no mail server: set GUARDPROXY_SMTP_URL", final=True)
        place = urlsplit(self.url)
        try:
            await aiosmtplib.send(
                letter(parcel.notice, parcel.channel.to, self.sender),
                hostname=place.hostname,
                port=place.port or PORTS[place.scheme],
                username=unquote(place.username) if place.username else None,
                password=unquote(place.password) if place.password else None,
                use_tls=place.scheme == "smtps",
                timeout=DEADLINE,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = min(one.code for one in error.recipients)
            raise DeliveryError(f"the mail server refused: {code}", final=code >= 500) from error
        except aiosmtplib.SMTPResponseException as error:
            message = f"the mail server refused: {error.code}"
            raise DeliveryError(message, final=error.code >= 500) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            message = f"the mail server cannot be reached: {type(error).__name__}"
            raise DeliveryError(message, final=False) from error


def letter(notice: Notice, to: str, sender: str) -> EmailMessage:
    """The mail: a plain text that answers no one and asks no machine to answer."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = notice.headline
    mail["Message-ID"] = f"<{notice.key.replace(':', '.')}@{sender.rpartition('@')[2].strip('>')}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no auto-reply comes back
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Priority"] = "1" if notice.priority == "high" else "3"
    mail.set_content(as_text(notice))
    return mail

"""The process's settings, read once from the environment; nothing else reads it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from guardproxy.core.errors import SettingsError

SECRETS = Path("/run/secrets")  # where Docker and Kubernetes mount them


class Fallback(BaseModel):
    """A backend that is asked when those before it fail; it speaks the same dialect."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str = Field(pattern=r"^https?://")
    key: SecretStr = SecretStr("")
    model: str = ""


class Settings(BaseSettings):
    """`GUARDPROXY_*` of the environment, of `.env`, or files of those names in `/run/secrets`."""

    model_config = SettingsConfigDict(env_prefix="GUARDPROXY_", env_file=".env", extra="ignore")

    upstream_url: str = Field("", description="LLM base URL up to /v1")
    upstream_key: SecretStr = Field(SecretStr(""), description="the LLM's key; no caller sees it")
    upstream_model: str = Field("", description="model to ask for, whatever the caller names")
    upstream_models: dict[str, str] = Field(
        {}, description='models by the names callers use: {"fast": "gpt-4.1-mini"}'
    )
    upstream_api: Literal["openai", "anthropic"] = Field("openai", description="its dialect")
    judge_url: str = Field("", description="LLM judge for the grey band; unset: local only")
    judge_key: SecretStr = Field(SecretStr(""), description="the judge's key")
    judge_model: str = Field("", description="the judge's model")
    judge_timeout: float = Field(4.0, gt=0, description="seconds a ruling may take")
    judge_tokens_per_hour: int = Field(200_000, gt=0, description="its budget, all turns together")
    redis_url: str = Field("", description="unset: an embedded Valkey in DATA_DIR")
    data_dir: Path = Field(Path("guardproxy-data"), description="the embedded store's home")
    whatsapp_app_secret: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Meta app secret; two, comma-separated, while rotating"
    )
    whatsapp_verify_token: SecretStr = Field(SecretStr(""), description="the handshake's token")
    whatsapp_access_token: SecretStr = Field(SecretStr(""), description="sends messages")
    graph_url: str = Field("https://graph.facebook.com/v26.0", description="Meta's Graph API")
    api_keys: Path | None = Field(None, description="file of caller keys; unset: loopback only")
    admin_token: SecretStr = Field(SecretStr(""), description="needed off loopback")
    secret_key: SecretStr = Field(SecretStr(""), description="keys the hashes of numbers")
    on_refusal: Literal["completion", "error"] = Field(
        "completion", description="a refusal: a completion, or an error"
    )
    scope_encoders: str = Field("auto", description="auto, use, or use+e5")
    smtp_url: SecretStr = Field(
        SecretStr(""), description="mails cases: smtp://user:password@host:587, or smtps://"
    )
    smtp_from: str = Field("", description="the sender of those mails")
    console_url: str = Field("", description="where colleagues open the console; cases link there")
    metrics_dir: str = Field("", description="set by the supervisor: where workers count together")
    upstream_timeout: float = Field(120.0, gt=0, description="seconds for a whole answer")
    upstream_connect_timeout: float = Field(5.0, gt=0, description="seconds to reach the LLM")
    upstream_first_byte_timeout: float = Field(60.0, gt=0, description="seconds to its first byte")
    upstream_idle_timeout: float = Field(60.0, gt=0, description="seconds between two bytes")
    keep_alive: float = Field(5.0, gt=0, description="seconds of a held stream's silence")
    llm_hosts: dict[str, str] = Field(
        {}, description='hosts that may read messages: {"host": "its data use"}; {}: any'
    )
    upstream_fallback: tuple[Fallback, ...] = Field(
        (), description='asked in turn when the first fails: [{"url", "key", "model"}]'
    )

    @field_validator("whatsapp_app_secret", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Two secrets come as one text with a comma."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _mails(self) -> "Settings":
        """A mail server needs an address to send from."""
        url = self.smtp_url.get_secret_value()
        if url and not url.startswith(("smtp://", "smtps://")):
            message = "smtp_url: write smtp://user:password@host:587, or smtps://..."
            raise ValueError(message)
        if url and "@" not in self.smtp_from:
            message = "smtp_from: set GUARDPROXY_SMTP_FROM to the address mails come from"
            raise ValueError(message)
        return self

    @field_validator("upstream_url", "judge_url", "graph_url", "console_url")
    @classmethod
    def _url(cls, value: str) -> str:
        """A base URL, without the slash at its end."""
        if value and not value.startswith(("http://", "https://")):
            message = f"{value!r} is not a URL; write http://... or https://..."
            raise ValueError(message)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _known_hosts(self) -> "Settings":
        """No customer's word goes to a host that is not on the list."""
        strange = [host for host in self.readers if self.llm_hosts and host not in self.llm_hosts]
        if strange:
            message = (
                f"{', '.join(strange)} is not in GUARDPROXY_LLM_HOSTS ("
                f"{', '.join(self.llm_hosts)}); add it with what it does with data"
            )
            raise ValueError(message)
        return self

    @property
    def readers(self) -> tuple[str, ...]:
        """The hosts that customers' words are sent to: backends and the judge."""
        urls = (self.upstream_url, self.judge_url, *(other.url for other in self.upstream_fallback))
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in urls if url))


def read_settings() -> Settings:
    """The settings, or SettingsError with each fault's name, cause and mend."""
    try:
        return Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            name = f"GUARDPROXY_{str(fault['loc'][0]).upper()}: " if fault["loc"] else ""
            faults.append(name + fault["msg"].removeprefix("Value error, "))
        raise SettingsError("\n".join(faults)) from error


def environment() -> Mapping[str, str]:
    """The environment as policies may refer to it by `env:NAME`."""
    return dict(os.environ)


def one_thread_for_matrices() -> None:
    """Keep BLAS to one thread, unless told otherwise; numpy reads this when it is imported.

    The scope model's matrices are small: several threads spend their time waiting for each other
    (measured on two cores: 11 s of work to open the model instead of 2.6 s).
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

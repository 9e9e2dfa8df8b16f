"""Whether those who are to be told can be reached: two looks of `hub doctor`, each where its endpoint is set.

The collector is sent empty requests; of the lineage endpoint only an answer is asked, for an event is never an empty one.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from hub import lineage, telemetry
from hub.checked import Check, Verdict
from hub.said import Said
from hub.settings import Settings

_DENIED = (401, 403)


def collector(now: Settings) -> Iterator[Check]:
    """The OpenTelemetry collector, for traces and for metrics."""
    if not telemetry.wanted(now):
        return
    where = now.otlp_endpoint or "OTEL_EXPORTER_OTLP_*"
    for signal, answer in importlib.import_module("hub.otlp").answers(now.otlp_endpoint).items():
        name = f"otlp {signal}"
        if isinstance(answer, int) and 200 <= answer < 300:
            yield Check("observers", name, "ok", f"{where} takes them")
            continue
        told = f"{where} answers {answer}" if isinstance(answer, int) else f"{where} does not answer: {answer}"
        if answer in _DENIED:
            remedy = Said(
                "give the collector's token in OTEL_EXPORTER_OTLP_HEADERS",
                "请在 OTEL_EXPORTER_OTLP_HEADERS 中设置采集端的令牌",
            )
        elif isinstance(answer, int) and answer < 500:
            remedy = Said(
                "correct HUB_OTLP_ENDPOINT: the collector's OTLP address over HTTP, without a path, e.g. https://collector:4318",
                "请更正 HUB_OTLP_ENDPOINT：采集端的 OTLP（HTTP）地址，不含路径，例如 https://collector:4318",
            )
        else:
            remedy = Said(
                "start the collector, or correct HUB_OTLP_ENDPOINT; a certificate of your own goes into OTEL_EXPORTER_OTLP_CERTIFICATE; "
                "until then nothing is told and no work waits",
                "请启动采集端或更正 HUB_OTLP_ENDPOINT；自有证书请设置 OTEL_EXPORTER_OTLP_CERTIFICATE；在此之前不报送任何信息，也不影响处理",
            )
        yield Check("observers", name, _verdict(answer), told, remedy)


def lineage_endpoint(now: Settings) -> Iterator[Check]:
    """Where OpenLineage events go: a file's folder that can be written, or an endpoint that answers."""
    if now.lineage_url is None:
        return
    parts = urlsplit(now.lineage_url)
    if parts.scheme == "file":
        yield _file(Path(unquote(parts.path)))
        return
    token = now.lineage_token.get_secret_value() if now.lineage_token else None
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may hold a key
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(timeout=lineage.SEND_SECONDS, headers=headers, trust_env=False) as client:
            answer: int | str = client.get(now.lineage_url).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        answer = type(error).__name__
    # It takes events by POST: that it won't be read is an answer as good as any.
    if isinstance(answer, int) and (answer < 300 or answer in (400, 405, 415, 422, 501)):
        yield Check("observers", "lineage", "ok", f"{where} answers")
        return
    told = f"{where} answers {answer}" if isinstance(answer, int) else f"{where} does not answer: {answer}"
    if answer in _DENIED:
        remedy = Said("correct HUB_LINEAGE_TOKEN", "请更正 HUB_LINEAGE_TOKEN")
    else:
        remedy = Said(
            "start it, or correct HUB_LINEAGE_URL, path and all, e.g. https://host/api/v1/lineage; redirects are not followed",
            "请启动该服务，或更正 HUB_LINEAGE_URL（含路径，例如 https://host/api/v1/lineage）；不跟随重定向",
        )
    # Some answer 404 to whoever reads and take what is posted: that alone fails nothing.
    yield Check("observers", "lineage", "warn" if answer == httpx.codes.NOT_FOUND else _verdict(answer), told, remedy)


def _file(path: Path) -> Check:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if os.access(there, os.W_OK) and (there.is_dir() or there == path) and not path.is_dir():
        return Check("observers", "lineage", "ok", f"{path} can be written")
    remedy = Said(
        "give the folder to the hub's user, or name another file in HUB_LINEAGE_URL",
        "请授予运行枢纽的用户写权限，或在 HUB_LINEAGE_URL 中改用其他文件",
    )
    return Check("observers", "lineage", "fail", f"{path} can't be written", remedy)


def _verdict(answer: int | str) -> Verdict:
    """One that is away may come back; one that won't take what it is given never will."""
    return "fail" if isinstance(answer, int) and answer < 500 else "warn"

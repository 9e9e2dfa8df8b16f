"""A delivery over HTTP: taken whole, once, with a receipt; and everything that came is on record."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from contracts import catalogue
from gateway.client import receipts
from gateway.client.signing import content_digest, signed
from hub.ids import FeedId
from hub.keys import generate
from tests.gateway.house import FEED, FIELDS, GOOD, NDJSON, Office, join, numbered, rows
from tests.warehouse.conftest import Hub
from warehouse import engine
from warehouse.agencies import keys, registry
from warehouse.store import store
from warehouse.turns import book, taking

BAD = ("SJ-2025-009", "某镇", "11430181MA00100100", "3", "2025-11-07", "未完成")  # check character


def load() -> None:
    """What the worker does when it is rung."""
    contract = catalogue.load_one(FeedId(FEED))
    with engine.transaction() as conn:
        book.sync(conn, [contract], serve_all=True)
        book.ring(conn, contract.id)
    taken = taking.take(contract.id, "test")
    assert taken is not None and taken.error is None, taken


def test_a_delivery_from_the_first_byte_to_the_final_receipt(office: Office, hub: Hub, url: str) -> None:
    body = rows(GOOD, BAD)
    answer = office.deliver(body, "march", headers={"hub-issue": "2025-17", "hub-officer": "duty-office"})
    assert answer.status_code == 202, answer.text
    told = answer.json()
    jwks = httpx.get(f"{url}/.well-known/jwks.json", trust_env=False).json()
    said = receipts.verify(told["receipt"], jwks, body_sha256=hashlib.sha256(body).hexdigest())
    assert (said["rows"], said["agency"], said["business"]["hub-issue"]) == (2, office.agency, "2025-17")
    links = told["links"]
    pending = office.get(links["receipt"])
    assert pending.status_code == 202 and pending.json()["state"] == "landed" and pending.headers["retry-after"]
    load()
    shown = office.get(links["batch"]).json()
    assert (shown["state"], shown["counts"]["loaded"], shown["counts"]["quarantined"]) == ("loaded", 1, 1)
    final = receipts.verify(office.get(links["receipt"]).text, jwks)
    assert final["push"]["idempotency_key"] == "march" and final["counts"]["loaded"] == 1
    readable = office.get(links["accepted"], headers={"accept": "application/json"}).json()
    assert readable["jws"] == told["receipt"] and readable["receipt"] == said
    (wrong,) = office.get(links["rows"]).json()["rows"]
    assert (wrong["row"], wrong["verdict"], wrong["values"]["问题编号"]) == (2, "quarantined", "SJ-2025-009")
    assert wrong["rules"][0]["rule"] == "unit_uscc_valid" and wrong["rules"][0]["zh"] and wrong["rules"][0]["en"]
    again = office.deliver(body, "march", headers={"hub-issue": "2025-17", "hub-officer": "duty-office"})
    assert (again.status_code, again.json()["receipt"]) == (200, told["receipt"])
    other = office.deliver(numbered(3), "march")
    assert (other.status_code, other.json()["code"]) == (409, "HUB-DLV-001")
    lines = hub.all("select method, route, status, agency, feed, issue, code, bytes_in from hub.access_log order by at")
    assert lines[0][:4] == ("POST", "/v1/feeds/{feed}/batches", 202, office.agency)
    assert lines[0][4:] == (FEED, "2025-17", None, len(body)) and lines[-1][6] == "HUB-DLV-001"
    assert len(lines) == 9


def workbook() -> bytes:
    book_, out = Workbook(), io.BytesIO()
    for row in (FIELDS, GOOD):
        book_.active.append(row)
    book_.save(out)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in zip(FIELDS, GOOD, strict=True)}), out)
    return out.getvalue()


CSV = "\n".join([",".join(FIELDS), ",".join(GOOD)]).encode()
FORMS = {
    NDJSON: rows(GOOD),
    "text/csv": CSV,
    "text/csv; charset=gb18030": CSV.decode().encode("gb18030"),
    "text/tab-separated-values": CSV.replace(b",", b"\t"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": workbook(),
    "application/vnd.apache.parquet": parquet(),
}


@pytest.mark.parametrize("packed", ["identity", "gzip", "zstd"])
def test_every_form_brings_the_same_row(office: Office, hub: Hub, packed: str) -> None:
    pack = {
        "identity": bytes,
        "gzip": gzip.compress,
        "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    }
    for number, (media_type, body) in enumerate(FORMS.items()):
        headers = {"content-type": media_type, **({} if packed == "identity" else {"content-encoding": packed})}
        answer = office.deliver(pack[packed](body), f"form {number}".replace(" ", "-"), headers=headers)
        assert answer.status_code == 202, (media_type, answer.text)
    load()
    states = hub.all("select state, rows_loaded, rows_unchanged from hub.batch order by batch_no")
    assert states == [("loaded", 1, 0), *[("loaded", 0, 1)] * (len(FORMS) - 1)]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 422, "HUB-PSH-010"),
        (b"[1, 2]\n", {}, 422, "HUB-PSH-010"),
        (b"[" * 5_000 + b"\n", {}, 422, "HUB-PSH-010"),
        (json.dumps({f"c{at}": 1 for at in range(60_000)}).encode(), {}, 422, "HUB-PSH-011"),
        (json.dumps({f"c{at}": 1 for at in range(1_000_000)}).encode(), {}, 422, "HUB-PSH-012"),
        (b"a,a\n1,2\n", {"content-type": "text/csv"}, 422, None),
        (b"PK\x03\x04 no workbook", {"content-type": list(FORMS)[4]}, 422, None),
        (b"PAR1 no parquet", {"content-type": list(FORMS)[5]}, 422, None),
        (gzip.compress(rows(GOOD))[:-9], {"content-encoding": "gzip"}, 422, "HUB-PSH-007"),
        (gzip.compress(b"\n" * (100 << 20)), {"content-encoding": "gzip"}, 422, "HUB-PSH-006"),
        (rows(GOOD), {"content-encoding": "br"}, 415, "HUB-PSH-002"),
        (rows(GOOD), {"content-type": "application/json"}, 415, "HUB-PSH-001"),
        (CSV, {"content-type": "text/csv; charset=gbk"}, 415, "HUB-PSH-003"),
        (rows(GOOD), {"idempotency-key": "two words"}, 400, "HUB-GTW-003"),
    ],
)
def test_bad_bodies_are_told_what_is_wrong(
    office: Office, hub: Hub, body: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = office.deliver(body, headers=headers)
    told = answer.json()
    assert answer.status_code == status, told
    assert answer.headers["content-type"] == "application/problem+json" and told["side"] == "agency"
    assert code is None or code in (told["code"], told["facts"].get("first")), told
    assert told["detail"] and told["detail_zh"] and told["remedy"] and told["remedy_zh"]
    assert [path for path in store().list("") if path.startswith("landing/")] == []
    assert hub.value("select count(*) from hub.push") == int("batch" in told)


def test_a_body_that_is_not_the_signed_one_is_not_kept(office: Office, hub: Hub, url: str) -> None:
    path, headers = f"/v1/feeds/{FEED}/batches", {"content-type": NDJSON, "content-digest": content_digest(numbered(2))}
    given = signed("POST", url + path, headers, office.key)
    answer = httpx.post(url + path, content=numbered(3), headers=given, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "HUB-GTW-004")
    assert hub.value("select count(*) from hub.batch") == 0


def test_a_sender_that_goes_away_leaves_a_line_and_nothing_else(office: Office, hub: Hub, url: str) -> None:
    body, path = numbered(50), f"/v1/feeds/{FEED}/batches"
    headers = {"content-type": NDJSON, "content-digest": content_digest(body)}
    given = signed("POST", url + path, headers, office.key)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        line.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
        )
        line.sendall(body[:1_000])
        time.sleep(0.3)
    until = time.monotonic() + 10
    while not hub.all("select 1 from hub.access_log") and time.monotonic() < until:
        time.sleep(0.05)
    assert hub.one("select status, code, agency from hub.access_log") == (499, "HUB-GTW-007", office.agency)
    assert hub.value("select count(*) from hub.batch") == 0


def test_the_same_delivery_from_many_lines_at_once(office: Office, hub: Hub) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: office.deliver(numbered(20), "once"), range(16)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["receipt"] for answer in answers}) == 1 == hub.value("select count(*) from hub.batch")


ALTERED = {
    "content-digest": content_digest(b"another"),
    "date": "Mon, 01 Jan 2024 00:00:00 GMT",
    "content-type": "text/csv",
    "idempotency-key": "another",
    "hub-issue": "another",
    "hub-file-name": "another",
    "signature": f"hub=:{base64.b64encode(bytes(64)).decode()}:",
    "hub-officer": "added later",
}


@pytest.mark.parametrize("name", ALTERED)
def test_nothing_that_counts_can_be_changed_on_the_way(office: Office, hub: Hub, name: str) -> None:
    headers = {"hub-issue": "1", "hub-file-name": "a.ndjson"}
    answer = office.deliver(numbered(1), "k", headers=headers, sent={name: ALTERED[name]})
    assert (answer.status_code, answer.json()["code"]) == (401, "HUB-GTW-001"), answer.text
    assert hub.value("select count(*) from hub.batch") == 0
    assert hub.one("select status, code, agency from hub.access_log") == (401, "HUB-GTW-001", None)


def test_a_signature_is_good_once_and_for_its_address_alone(office: Office, hub: Hub, url: str) -> None:
    given = signed("GET", f"{url}/v1/batches", {}, office.key)
    first = httpx.get(f"{url}/v1/batches", headers=given, trust_env=False)
    again = httpx.get(f"{url}/v1/batches", headers=given, trust_env=False)
    assert (first.status_code, again.status_code) == (200, 401) and "before" in again.json()["detail"]
    for elsewhere in ("/v1/feeds", "/v1/batches?limit=1"):
        given = signed("GET", f"{url}/v1/batches", {}, office.key)
        assert httpx.get(url + elsewhere, headers=given, trust_env=False).status_code == 401
    given = signed("GET", "https://another.example/v1/batches", {}, office.key)
    assert httpx.get(f"{url}/v1/batches", headers=given, trust_env=False).status_code == 401


def test_keys_that_ended_prove_nothing(office: Office, hub: Hub) -> None:
    stranger = Office(office.url, generate())
    assert "does not hold" in stranger.get("/v1/batches").json()["detail"]
    assert "nonce" in office.get("/v1/batches", nonce="short").json()["detail"]
    with engine.transaction() as conn:
        registry.set_state(conn, office.agency, "suspended", operator="Op", reason="asked")
    assert office.get("/v1/batches").status_code == 403
    with engine.transaction() as conn:
        registry.set_state(conn, office.agency, "active", operator="Op", reason="asked")
        conn.exec_driver_sql("update hub.agency_key set valid_until = now() - interval '1 second'")
    assert "expired" in office.get("/v1/batches").json()["detail"]
    with engine.transaction() as conn:
        keys.revoke(conn, office.key.kid, operator="Op", reason="stolen")
    assert "revoked" in office.get("/v1/batches").json()["detail"]


def test_another_agency_sees_nothing(office: Office, hub: Hub, url: str) -> None:
    batch = office.deliver(numbered(2)).json()["batch"]
    other = join(url, "city_audit_office", push=False)
    for path in (f"/v1/batches/{batch}{end}" for end in ("", "/accepted", "/receipt", "/rows")):
        assert office.get(path).status_code in (200, 202)
        answer = other.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "HUB-GTW-002")
    assert other.get("/v1/batches").json()["batches"] == [] == other.get("/v1/feeds").json()["feeds"]
    for answer in (other.deliver(numbered(3)), other.get(f"/v1/feeds/{FEED}"), other.get(f"/v1/feeds/{FEED}/contract")):
        assert answer.status_code == 404
    assert office.deliver(numbered(3), feed="finance_nothing").status_code == 404


def test_own_batches_come_in_pages(office: Office, hub: Hub) -> None:
    sent = [office.deliver(numbered(1, first=at)).json()["batch"] for at in range(1, 6)]
    seen, following = [], None
    while True:
        page = office.get(f"/v1/batches?limit=2{f'&before={following}' if following else ''}").json()
        seen += [one["batch"] for one in page["batches"]]
        following = page["next"]
        if following is None:
            break
    assert seen == sent[::-1]


def test_the_catalogue_and_the_contract(office: Office) -> None:
    (one,) = office.get("/v1/feeds").json()["feeds"]
    assert one["feed"] == FEED and one["may"] == ["push", "read"] and NDJSON in one["takes"]["media_types"]
    answer = office.get(f"/v1/feeds/{FEED}/contract")
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    assert office.get(f"/v1/feeds/{FEED}").json()["contract"]


def test_what_everybody_may_ask(url: str) -> None:
    ask = lambda path, **headers: httpx.get(url + path, headers=headers, trust_env=False)  # noqa: E731
    assert ask("/healthz").json() == {"status": "alive"} and ask("/readyz").json() == {"status": "ready"}
    codes = ask("/v1/codes", accept="application/json").json()["codes"]
    assert len(codes) > 150 and all(one["zh"] and one["en"] for one in codes)
    page = ask("/v1/codes/HUB-DLV-001")
    assert (
        "幂等键" in page.text
        and "idempotency key" in page.text
        and "default-src 'none'" in page.headers["content-security-policy"]
    )
    for path, status in (("/v1/codes/<script>", 404), ("/nothing", 404), ("/v1/batches", 401)):
        answer = ask(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert httpx.post(f"{url}/healthz", trust_env=False).status_code == 405

"""A real server on the loopback, a real store: who gets in, what is kept, what is answered."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from bot.adapters.http import Metrics, alerts, listening, pulse, scrape, server
from bot.adapters.http.metrics import COUNTERS, GAUGES, HISTOGRAMS, MOST
from bot.adapters.store import Store
from bot.core.alert import MAX_BYTES
from bot.core.alert_route import Route, Routing
from bot.core.errors import ConfigError
from bot.core.host import Host, Inventory
from bot.engine.alerts import Alerts
from bot.engine.intake import ROOM
from tests.fakes.alerts import ALERTS, body, raw
from tests.fakes.chat import Chat
from tests.fakes.clock import FakeClock

TOKEN = "s3cret-of-alertmanager"
INVENTORY = Inventory(hosts={"node-3": Host(name="node-3", address="192.0.2.13")})
JSON = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}


@dataclass
class Table:
    broken: str = ""

    def routing(self) -> Routing:
        if self.broken:
            raise ConfigError(self.broken)
        return Routing((Route("all", channel="C0NET", diagnose=False),))


@dataclass
class Served:
    """One server with all its routes."""

    base: str
    port: int
    intake: Alerts
    store: Store
    routes: Table
    metrics: Metrics
    not_ready: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, str, Any]:
        async with aiohttp.ClientSession() as session, session.request(method, self.base + path, **options) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, data: bytes, **headers: str) -> tuple[int, str]:
        status, text, _ = await self.call("POST", "/alerts", data=data, headers={**JSON, **headers})
        return status, text


Serve = Callable[..., Any]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def serving(
        *, token: str | None = TOKEN, metrics_token: str | None = None, there: bool = True
    ) -> AsyncIterator[Served]:
        clock, table, metrics = FakeClock(), Table(), Metrics()
        store = await Store.open(tmp_path / "state", clock)
        nobody: Any = None
        intake = Alerts(nobody, store, Chat(), clock, INVENTORY, table, metrics)  # type: ignore[arg-type]
        served = Served("", 0, intake, store, table, metrics)

        def check(name: str) -> Callable[[], Awaitable[str]]:
            async def asked() -> str:
                return served.not_ready.get(name, "")

            return asked

        async def refresh() -> None:
            metrics.set("queue", intake.intake.waiting, where="alerts")

        alive, ready = pulse({"slack": check("slack"), "store": check("store")})
        routes = {
            ("POST", "/alerts"): alerts(token, intake.take, there=lambda: there),
            ("GET", "/metrics"): scrape(metrics, metrics_token, refresh),
            ("GET", "/healthz"): alive,
            ("GET", "/readyz"): ready,
        }
        try:
            async with listening("127.0.0.1:0", routes, metrics) as port:
                served.base, served.port = f"http://127.0.0.1:{port}", port
                yield served
        finally:
            await store.close()

    return serving


# --- alerts ----------------------------------------------------------------------------------------------------------


async def test_200_is_answered_when_the_alert_is_kept_and_another_process_finds_it(serve: Serve) -> None:
    async with serve() as served:
        assert await served.post(ALERTS.encode()) == (200, '{"kept": true}\n')
    async with serve() as later:
        await later.intake.settle()
        ((title, lines),) = later.intake.herald.told.values()
        assert title == "▲ 1 alert firing: NodeConntrackNearlyFull"
        assert "conntrack table of node-3 is 92% full" in lines[0]


REFUSED: dict[str, tuple[dict[str, str], bytes, int, str]] = {
    "no token": ({"Authorization": ""}, ALERTS.encode(), 401, "NETDIAG_ALERTS_TOKEN"),
    "a wrong token": ({"Authorization": "Bearer nonsense"}, ALERTS.encode(), 401, "wrong"),
    "another scheme": ({"Authorization": f"Basic {TOKEN}"}, ALERTS.encode(), 401, "wrong"),
    "a token that is longer": ({"Authorization": f"Bearer {TOKEN}x"}, ALERTS.encode(), 401, "wrong"),
    "a token beyond ASCII": ({"Authorization": "Bearer \u00fcber"}, ALERTS.encode(), 401, "wrong"),
    "a form": ({"Content-Type": "text/plain"}, ALERTS.encode(), 415, "application/json"),
    "compressed": ({"Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "compressed"),
    "not JSON": ({}, b"{", 400, "JSON"),
    "not Alertmanager's": ({}, b'{"version": "4"}', 400, "groupKey: Field required"),
    "deep": ({}, b"[" * 1_000, 400, "nested deeper than 8 levels"),
    "too large": ({}, b" " * (MAX_BYTES + 1), 413, "max_alerts"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_says_why_and_leaves_nothing(serve: Serve, name: str) -> None:
    headers, data, status, said = REFUSED[name]
    async with serve() as served:
        answer = await served.post(data, **headers)
        assert answer[0] == status
        assert said in json.loads(answer[1])["error"]
        assert TOKEN not in answer[1]
        assert served.intake.intake.waiting == 0
        assert (await served.post(ALERTS.encode()))[0] == 200


async def test_a_body_without_a_length_is_cut_off_at_the_limit(serve: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    async with serve() as served:
        status, text, _ = await served.call("POST", "/alerts", data=endless(), headers=JSON)
        assert (status, "max_alerts" in text) == (413, True)


@pytest.mark.parametrize(
    ("options", "said"), [({"token": None}, "NETDIAG_ALERTS_TOKEN"), ({"there": False}, "no alerts.yaml")]
)
async def test_without_a_token_or_routes_nothing_is_taken_and_the_remedy_is_told(
    serve: Serve, options: dict[str, Any], said: str
) -> None:
    async with serve(**options) as served:
        status, text = await served.post(ALERTS.encode())
        assert status == 403
        assert said in text


async def test_a_store_that_is_down_lets_alertmanager_try_again(serve: Serve) -> None:
    async with serve() as served:
        journal = served.intake.intake._journal
        whole, journal._seal.catch_up = journal._seal.catch_up, lambda: "disk full"
        status, text, headers = await served.call("POST", "/alerts", data=ALERTS.encode(), headers=JSON)
        assert (status, headers["Retry-After"]) == (503, "30")
        assert "disk full" in text
        journal._seal.catch_up = whole
        assert (await served.post(ALERTS.encode()))[0] == 200
        assert served.intake.intake.waiting == 1


async def test_routes_that_are_broken_lets_alertmanager_try_again(serve: Serve) -> None:
    async with serve() as served:
        served.routes.broken = 'alerts.yaml:3: unknown key "mtch"'
        status, text = await served.post(ALERTS.encode())
        assert (status, "alerts.yaml:3" in text) == (503, True)


async def test_a_full_intake_lets_alertmanager_try_again(serve: Serve) -> None:
    async with serve() as served:
        served.intake.intake._room = 1
        assert (await served.post(ALERTS.encode()))[0] == 200
        assert (await served.post(ALERTS.encode()))[0] == 503
        await served.intake.settle()
        assert (await served.post(ALERTS.encode()))[0] == 200
        assert ROOM > 1


async def test_many_at_once_are_all_kept(serve: Serve) -> None:
    async with serve() as served:
        calls = [body(raw(device=str(number)), group=f"g{number}") for number in range(30)]
        async with asyncio.TaskGroup() as tasks:
            answers = [tasks.create_task(served.post(call)) for call in calls]
        assert [answer.result()[0] for answer in answers] == [200] * 30
        await served.intake.settle()
        assert sum(title == "▲ 1 alert firing: Down" for title, _ in served.intake.herald.told.values()) == 20
        held = next(told for key, told in served.intake.herald.told.items() if key.startswith("alerts-held"))
        assert len(held[1]) > 1  # ten wait for the next hour, and it is said


# --- health and figures ----------------------------------------------------------------------------------------------


async def test_readiness_says_what_is_missing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.adapters.http.health.FRESH", 0.0)
    async with serve() as served:
        assert (await served.call("GET", "/healthz"))[:2] == (200, "ok\n")
        status, text, _ = await served.call("GET", "/readyz")
        assert (status, json.loads(text)["ready"]) == (200, True)
        served.not_ready["slack"] = "not connected"
        status, text, _ = await served.call("GET", "/readyz")
        assert (status, json.loads(text)["checks"]["slack"]) == (503, {"ok": False, "why": "not connected"})
        assert json.loads(text)["checks"]["store"] == {"ok": True}


async def test_a_check_that_breaks_or_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.adapters.http.health.PATIENCE", 0.01)

    async def broken() -> str:
        raise RuntimeError("bug")

    async def hanging() -> str:
        await asyncio.Event().wait()
        return ""

    _, ready = pulse({"broken": broken, "hanging": hanging})
    with capture_logs():
        answer = await ready(None)  # type: ignore[arg-type]
    checks = json.loads(answer.body)["checks"]
    assert answer.status == 503
    assert checks["broken"]["why"] == "the check itself broke; the log says how"
    assert checks["hanging"]["why"].startswith("no answer within")


async def test_figures_are_read_as_prometheus_does(serve: Serve) -> None:
    async with serve() as served:
        await served.post(ALERTS.encode())
        status, text, headers = await served.call("GET", "/metrics")
        assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
        lines = text.splitlines()
        assert 'netdiag_http_requests_total{route="/alerts",status="200"} 1.0' in lines
        assert 'netdiag_alerts_received_total{routed="yes"} 1.0' in lines
        assert 'netdiag_queue{where="alerts"} 1.0' in lines
        assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
        assert "node-3" not in text
        newer = "application/openmetrics-text; version=1.0.0"
        assert (await served.call("GET", "/metrics", headers={"Accept": newer}))[1].endswith("# EOF\n")


async def test_figures_ask_for_their_own_token(serve: Serve) -> None:
    async with serve(metrics_token="of-prometheus-only") as served:
        assert (await served.call("GET", "/metrics"))[0] == 401
        assert (await served.call("GET", "/metrics", headers=JSON))[0] == 401
        given = {"Authorization": "Bearer of-prometheus-only"}
        assert (await served.call("GET", "/metrics", headers=given))[0] == 200


async def test_levels_that_cannot_be_had_keep_no_figure_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refresh() -> None:
        raise RuntimeError("the store is away")

    with capture_logs() as logs:
        answer = await scrape(Metrics(), None, refresh)(_Asked())  # type: ignore[arg-type]
    assert answer.status == 200
    assert [line["why"] for line in logs] == ["the store is away"]


class _Asked:
    headers: dict[str, str] = {}  # noqa: RUF012 - read only


def test_labels_are_few_whatever_happens() -> None:
    metrics = Metrics()
    for number in range(MOST + 100):
        metrics.count("slack_calls", method=f"m{number}", outcome="ok")
    text = str(list(metrics.registry.collect()))
    assert text.count("netdiag_slack_calls_total") == MOST + 1
    assert "'method': 'other'" in text


def test_a_level_that_is_gone_is_not_told_any_more() -> None:
    metrics = Metrics()
    metrics.replace("findings_open", {("a", "critical"): 2, ("b", "warning"): 1})
    metrics.replace("findings_open", {("a", "critical"): 1})
    assert metrics.registry.get_sample_value("netdiag_findings_open", {"finding": "a", "severity": "critical"}) == 1
    assert metrics.registry.get_sample_value("netdiag_findings_open", {"finding": "b", "severity": "warning"}) is None


def test_levels_beyond_the_most_are_told_as_their_sum() -> None:
    metrics = Metrics()
    metrics.replace("findings_open", {(f"f{number}", "warning"): 2 for number in range(MOST + 100)})
    other = {"finding": "other", "severity": "other"}
    assert metrics.registry.get_sample_value("netdiag_findings_open", other) == 200


def test_no_figure_has_a_label_for_hosts_or_words() -> None:
    for told in (COUNTERS, HISTOGRAMS, GAUGES):
        for name, (about, labels) in told.items():
            assert not {"host", "run", "channel", "user", "instance"} & set(labels), name
            assert about


# --- strangers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/alerts", 405),
        ("PUT", "/alerts", 405),
        ("POST", "/metrics", 405),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/alerts?token=x", 405),
        ("HEAD", "/healthz", 200),
        ("OPTIONS", "/alerts", 405),
        ("DELETE", "/", 404),
    ],
)
async def test_there_are_four_routes_and_no_more(serve: Serve, method: str, path: str, status: int) -> None:
    async with serve() as served:
        answer, text, headers = await served.call(method, path)
        assert answer == status
        assert "Server" not in headers
        assert headers["Connection"] == "close"
        assert "aiohttp" not in text


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /alerts HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /alerts HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_request_is_refused_without_a_word_about_us(serve: Serve, said: bytes) -> None:
    async with serve() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(said)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert b"aiohttp" not in answer
        assert b"Python" not in answer
        assert (await served.call("GET", "/healthz"))[0] == 200


async def test_slow_clients_hold_a_bounded_number_of_connections_for_a_bounded_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 4)
    monkeypatch.setattr(server, "DEADLINE", 1.0)
    async with serve() as served:
        held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(4)]
        for _, writer in held:
            writer.write(b"POST /alerts HTTP/1.1\r\nContent-Le")
        fifth = await asyncio.open_connection("127.0.0.1", served.port)
        fifth[1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, writer in (fifth, *held):  # each is ended, by us
            assert await _rest(reader) == b""
            writer.close()
        assert (await served.call("GET", "/healthz"))[0] == 200


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_refusals_are_logged_seldom_and_never_with_a_token(serve: Serve) -> None:
    async with serve() as served:
        with capture_logs() as logs:
            for _ in range(20):
                await served.post(ALERTS.encode(), Authorization="Bearer guessed-token-of-somebody")
        (line,) = [line for line in logs if line["event"] == "http.refused"]
        assert (line["route"], line["status"], line["times"]) == ("/alerts", 401, 1)
        assert "guessed" not in str(logs)
        assert TOKEN not in str(logs)


async def test_a_token_that_is_no_text_is_a_wrong_one_and_breaks_nothing(serve: Serve) -> None:
    """Nobody who lacks the token fills the log with tracebacks, or reads in one what it was compared with."""
    async with serve(metrics_token=TOKEN) as served:
        with capture_logs() as logs:
            for path in ("POST /alerts", "GET /metrics"):
                reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
                writer.write(path.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
                assert (await _rest(reader)).startswith(b"HTTP/1.1 401 ")
                writer.close()
        assert [line["event"] for line in logs] == ["http.refused"] * 2


async def test_a_handler_that_breaks_is_a_500_that_says_nothing(tmp_path: Path) -> None:
    async def broken(_request: Any) -> Any:
        raise RuntimeError("a secret")

    with capture_logs():
        async with (
            listening("127.0.0.1:0", {("GET", "/x"): broken}, Metrics()) as port,
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/x") as answer,
        ):
            assert answer.status == 500
            assert "secret" not in await answer.text()


@pytest.mark.parametrize("listen", ["9180", "127.0.0.1", ":9180", "127.0.0.1:http", "127.0.0.1:99999", ""])
async def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"http_listen.*write 127\.0\.0\.1:9180"):
        async with listening(listen, {}, Metrics()):
            pass


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match="cannot listen on"):
            async with listening(listen, {}, Metrics()):
                pass


async def test_it_ends_at_once_whatever_is_under_way() -> None:
    begun = asyncio.Event()

    async def slow(_request: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async with listening("127.0.0.1:0", {("GET", "/x"): slow}, Metrics()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()

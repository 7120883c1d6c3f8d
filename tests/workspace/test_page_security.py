"""Who may open the page and act on it? This machine's browser with this run's token, and nobody else."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.workspace.page import CSP


@pytest.fixture
async def visitor() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


def root(slack) -> str:
    return slack.url.partition("?")[0]


GUARDED = ["", "page/events?as=alice", "files/F0NONE"]


@pytest.mark.parametrize("path", GUARDED)
async def test_without_the_token_nothing_is_shown(slack, visitor, path) -> None:
    async with visitor.get(f"{root(slack)}{path}") as reply:
        assert reply.status == 403


async def test_a_wrong_token_is_no_token(slack, visitor) -> None:
    async with visitor.get(f"{root(slack)}?token=wrong") as reply:
        assert reply.status == 403


async def test_the_printed_address_opens_the_page_and_hides_the_token(slack, visitor) -> None:
    async with visitor.get(slack.url) as reply:
        assert (reply.status, str(reply.url)) == (200, root(slack))
    async with visitor.get(slack.url, allow_redirects=False) as reply:
        assert "HttpOnly" in reply.headers["Set-Cookie"]
        assert "SameSite=Strict" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80"])
async def test_another_host_name_is_refused(slack, visitor, host) -> None:
    async with visitor.get(slack.url, headers={"Host": host}) as reply:
        assert reply.status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
@pytest.mark.parametrize("path", ["page/act", "api/auth.test", "admin/faults", "link/"])
async def test_another_origin_is_refused_everywhere(slack, visitor, origin, path) -> None:
    async with visitor.get(slack.url):
        pass
    async with visitor.post(f"{root(slack)}{path}", json={}, headers={"Origin": origin}) as reply:
        assert reply.status == 403


async def test_every_answer_carries_the_policy(slack, visitor) -> None:
    for path in ("", "static/js/main.js", "api/auth.test", "nowhere"):
        async with visitor.get(f"{root(slack)}{path}") as reply:
            assert reply.headers["Content-Security-Policy"] == CSP
            assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_no_inline_script_no_other_site_and_no_markup_from_text() -> None:
    assert "default-src 'none'" in CSP
    assert "unsafe" not in CSP
    assert "http" not in CSP
    assert "require-trusted-types-for 'script'" in CSP


async def test_files_are_downloads_unless_they_are_pictures(slack, client, visitor) -> None:
    async with visitor.get(slack.url):
        pass
    shared = await client.files_upload_v2(
        channel="C0NETOPS",
        file_uploads=[
            {"content": "<script>1</script>", "filename": "x.html"},
            {"content": "<svg xmlns='http://www.w3.org/2000/svg'/>", "filename": "x.svg"},
            {"file": b"\x89PNG", "filename": "x.png"},
        ],
    )
    kinds = []
    for one in shared["files"]:
        async with visitor.get(one["url_private"]) as reply:
            kinds.append((reply.content_type, reply.headers["Content-Disposition"].split(";")[0]))
    assert kinds == [("application/octet-stream", "attachment")] * 2 + [("image/png", "inline")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ("{}", 404),
        ('{"as": "alice", "act": "nosuch"}', 404),
        ('{"as": "nobody", "act": "say"}', 404),
        ('{"as": "dave", "act": "say", "channel": "C0GENERAL", "text": "x"}', 404),
        ('{"as": "alice", "act": "click", "channel": "C0NETOPS", "ts": "1.0", "action_id": "a", "block_id": "b"}', 404),
        ('{"as": "alice", "act": "submit", "view": "V0NONE"}', 404),
    ],
)
async def test_an_act_that_makes_no_sense_is_refused(slack, visitor, body, status) -> None:
    async with visitor.get(slack.url):
        pass
    async with visitor.post(f"{root(slack)}page/act", data=body) as reply:
        assert reply.status == status
        assert (await reply.json())["ok"] is False
    assert slack.messages("#general") == ()


async def test_the_server_listens_on_this_machine_only(slack) -> None:
    assert {address[0] for address in slack._runner.addresses} == {"127.0.0.1"}

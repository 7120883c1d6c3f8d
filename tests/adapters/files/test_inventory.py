"""An inventory is read as it is meant, or refused with every fault and its line."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.files.ansible_tree import hosts_in
from bot.adapters.files.inventory import load_inventory
from bot.core.errors import ConfigError
from bot.core.host import Inventory, Transport

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPB0Oc0hYvS7wJ8sK5wEo9j7G8iU3fJp0z3m3S2v8b6V"

OURS = f"""\
defaults: {{user: netdiag, port: 22, sudo: true, known_hosts: known_hosts, key: ~/.ssh/id_ed25519, jump: bastion}}
hosts:
  bastion: {{address: 203.0.113.1}}
  node-3: {{address: 192.0.2.13, labels: {{role: ingress, rack: 7}}}}
  node-4: {{address: 192.0.2.14, port: 2222, user: root, sudo: false, known_hosts: "{KEY}"}}
  here: {{transport: local, jump: null}}
  tape: {{transport: replay, recording: tapes/node-3.yaml, jump: ~}}
groups:
  ingress: {{hosts: [node-4, node-3], labels: {{tier: edge}}}}
  spare: [node-4]
expect:
  ipvs: {{"10.108.152.210:6379/tcp": ["172.26.6.185:6379"]}}
"""


def read(directory: Path, files: Mapping[str, str]) -> Inventory:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load_inventory(directory)


def faults(directory: Path, files: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read(directory, files)
    return str(refusal.value).replace(f"{directory}/", "").splitlines()


def test_our_own_format_applies_defaults_groups_and_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    inventory = read(tmp_path, {"hosts.yaml": OURS})
    assert list(inventory.hosts) == ["bastion", "node-3", "node-4", "here", "tape"]
    node = inventory.hosts["node-3"]
    assert (node.address, node.port, node.user, node.sudo, node.jump) == ("192.0.2.13", 22, "netdiag", True, "bastion")
    assert (node.known_hosts, node.key) == (str(tmp_path / "known_hosts"), "/home/op/.ssh/id_ed25519")
    assert dict(node.labels) == {"role": "ingress", "rack": "7", "tier": "edge"}
    assert node.groups == ("ingress",)
    other = inventory.hosts["node-4"]
    assert (other.port, other.user, other.sudo, other.known_hosts) == (2222, "root", False, KEY)
    assert inventory.groups == {"ingress": ("node-3", "node-4"), "spare": ("node-4",)}
    assert inventory.hosts["bastion"].jump is None
    assert inventory.hosts["here"].transport is Transport.LOCAL
    assert inventory.hosts["tape"].recording == str(tmp_path / "tapes/node-3.yaml")
    assert inventory.expect == {"ipvs": {"10.108.152.210:6379/tcp": ["172.26.6.185:6379"]}}


def test_without_any_known_hosts_setting_the_file_beside_the_inventory_counts(tmp_path: Path) -> None:
    hosts = {"hosts.yaml": "hosts: {a: }\n"}
    assert read(tmp_path, hosts).hosts["a"].known_hosts == str(Path("~/.ssh/known_hosts").expanduser())
    assert read(tmp_path, {"known_hosts": ""}).hosts["a"].known_hosts == str(tmp_path / "known_hosts")


REFUSED = {
    "unknown keys": (
        "hots: {}\nhosts:\n  a: {adress: b}\ndefaults: {address: x}\n",
        [
            'hosts.yaml:1: unknown key "hots"; did you mean "hosts"?',
            'hosts.yaml:4: unknown key "address"; known:',
            'hosts.yaml:3: unknown key "adress"; did you mean "address"?',
        ],
    ),
    "types": (
        "hosts:\n  a: {port: 0}\n  b: {sudo: yes}\n  c: {port: '22'}\n  d: {transport: shh}\n  e: {labels: x}\n  f: 3",
        [
            "hosts.yaml:2: port must be a port from 1 to 65535, not 0",
            "hosts.yaml:3: sudo must be true or false, not 'yes'",
            "hosts.yaml:4: port must be a port from 1 to 65535, not '22'",
            "hosts.yaml:5: transport must be a transport, not 'shh'; did you mean \"ssh\"?",
            "hosts.yaml:6: labels must be labels like {role: web}",
            'hosts.yaml:7: "f" must be a mapping (key: value), not 3',
        ],
    ),
    "host keys": (
        (
            "hosts:\n  a: {known_hosts: ssh-ed25519}\n  b: {known_hosts: ssh-ed25519 AAAA}\n"
            "  c: {known_hosts: ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA}\n"
        ),
        [f"hosts.yaml:{line}: known_hosts must be a file or a whole public key" for line in (2, 3, 4)],
    ),
    "jumps": (
        (
            "hosts:\n  a: {jump: b}\n  b: {jump: c}\n  c: {jump: a}\n  d: {jump: e1}\n  e: {jump: e}\n"
            "  l: {transport: local}\n  m: {jump: l}\n"
        ),
        [
            "hosts.yaml:2: jumps go in a circle: a -> b -> c -> a",
            'hosts.yaml:5: jump host "e1" is not in the inventory; did you mean "e"?',
            "hosts.yaml:6: jumps go in a circle: e -> e",
            'hosts.yaml:8: jump host "l" is not reached over SSH',
        ],
    ),
    "groups": (
        "hosts: {node-1: , node-2: }\ngroups:\n  g: [node-1, nod-2]\n  h: {hosts: node-1}\n  node-1: [node-1]\n",
        [
            'hosts.yaml:3: group "g" names an unknown host "nod-2"; did you mean "node-2"?',
            'hosts.yaml:4: group "h": hosts must be a list of host names',
            'hosts.yaml:1: "node-1" names a host and a group',
        ],
    ),
    "groups that disagree": (
        "hosts: {a: , b: {port: 1}}\ngroups:\n  g: {hosts: [a, b], port: 22}\n  h: {hosts: [a, b], port: 23}\n",
        ['hosts.yaml:4: port of host "a" differs in group g; set it on the host'],
    ),
    "names that a target cannot say": (
        "hosts:\n  'a,b': \n  'x*':\n  all:\n",
        [
            'hosts.yaml:2: "a,b" cannot name a host',
            'hosts.yaml:3: "x*" cannot name a host',
            'hosts.yaml:4: "all" cannot name',
        ],
    ),
    "recordings": (
        "hosts:\n  a: {transport: replay}\n  b: {recording: x}\n",
        [
            'hosts.yaml:2: host "a" replays no recording',
            'hosts.yaml:3: host "b" has a recording; add transport: replay',
        ],
    ),
    "what is meant to be": (
        "hosts: {a: }\nexpect:\n  ipvs: {'192.0.2.1:80': ['192.0.2.11:80']}\n",
        ["hosts.yaml:2: expect.ipvs: must be ADDRESS:PORT/PROTOCOL, such as 192.0.2.1:80/tcp, not '192.0.2.1:80'"],
    ),
    "nothing": ("hosts: {}\n", ["the inventory holds no host"]),
    "an empty file": ("", ["the inventory holds no host"]),
    "a list": ("- a\n", ["hosts.yaml:1: the inventory must be a mapping"]),
    "yaml tricks": ("hosts: &x {a: }\n", ["hosts.yaml:1: anchors (&x) are not read"]),
    "tags": ("hosts: {a: {port: !!str 22}}\n", ["hosts.yaml:1: port must be a port"]),
    "a key twice": ("hosts:\n  a:\n  a:\n", ['hosts.yaml:3: key "a" is given twice']),
}


@pytest.mark.parametrize("name", REFUSED)
def test_our_own_format_refuses_with_every_fault_and_its_line(name: str, tmp_path: Path) -> None:
    text, expected = REFUSED[name]
    found = faults(tmp_path, {"hosts.yaml": text})
    for fault in expected:
        assert any(fault in line for line in found), (fault, found)
    assert len(found) == len(expected), found


def test_a_missing_inventory_and_two_of_them_are_refused(tmp_path: Path) -> None:
    assert "no inventory; write " in faults(tmp_path, {})[0]
    assert "are both inventories; keep one" in faults(tmp_path, {"hosts.yaml": "hosts: {a: }", "hosts.ini": "a"})[0]


INI = """\
# the fleet
lone.example.org:2200

[web]
web[01:03].example.org ansible_user=deploy
web04 ansible_host=192.0.2.4 ansible_become=no ansible_ssh_common_args='-o ProxyJump=ops@192.0.2.99:22 -C'

[db]
db-[a:c] ansible_port=2222 # letters

[edge]
bastion ansible_host=192.0.2.99

[apps:children]
web
db

[apps:vars]
ansible_ssh_private_key_file=keys/fleet
ansible_user="app user"

[all:vars]
ansible_user=root
"""

YAML = """\
all:
  hosts:
    lone.example.org: {ansible_port: 2200}
  vars: {ansible_user: root}
  children:
    apps:
      vars: {ansible_ssh_private_key_file: keys/fleet, ansible_user: app user}
      children:
        web:
          hosts:
            web[01:03].example.org: {ansible_user: deploy}
            web04:
              ansible_host: 192.0.2.4
              ansible_become: no
              ansible_ssh_common_args: >-
                -o ProxyCommand="ssh -q -W %h:%p ops@192.0.2.99"
              secret: !vault |
                $ANSIBLE_VAULT;1.1;AES256
                33
        db:
          hosts: {"db-[a:c]": {ansible_port: 2222}}
    edge:
      hosts: {bastion: {ansible_host: 192.0.2.99}}
"""


def as_list() -> str:
    """The same fleet as `ansible-inventory --list` prints it: every variable merged into hostvars."""
    app = {"ansible_ssh_private_key_file": "keys/fleet"}
    web = {f"web0{n}.example.org": {"ansible_user": "deploy", **app} for n in (1, 2, 3)}
    args = "-J 192.0.2.99"
    web04 = {"ansible_host": "192.0.2.4", "ansible_become": False, "ansible_ssh_common_args": args}
    db = {f"db-{letter}": {"ansible_port": 2222, "ansible_user": "app user", **app} for letter in "abc"}
    hostvars = {
        "lone.example.org": {"ansible_port": 2200, "ansible_user": "root"},
        **web,
        "web04": {**web04, "ansible_user": "app user", **app, "pass": {"__ansible_vault": "x"}, "smile": "\U0001f600"},
        **db,
        "bastion": {"ansible_host": "192.0.2.99", "ansible_user": "root"},
    }
    groups = {
        "all": {"children": ["ungrouped", "apps", "edge"]},
        "ungrouped": {"hosts": ["lone.example.org"]},
        "apps": {"children": ["web", "db"]},
        "web": {"hosts": [*web, "web04"]},
        "db": {"hosts": list(db)},
        "edge": {"hosts": ["bastion"]},
    }
    return json.dumps({"_meta": {"hostvars": hostvars}, **groups}, indent=4)


@pytest.mark.parametrize(
    ("name", "text"),
    [("hosts.ini", INI), ("hosts", INI), ("hosts.yml", YAML), ("hosts", "---\n" + YAML), ("hosts.json", as_list())],
    ids=["ini", "hosts-ini", "yaml", "hosts-yaml", "json"],
)
def test_the_three_forms_of_an_ansible_inventory_say_the_same(name: str, text: str, tmp_path: Path) -> None:
    hosts = read(tmp_path, {name: text}).hosts
    groups = load_inventory(tmp_path).groups
    web = [f"web0{n}.example.org" for n in (1, 2, 3)]
    assert set(hosts) == {"lone.example.org", *web, "web04", "db-a", "db-b", "db-c", "bastion"}
    assert {group: set(names) for group, names in groups.items()} == {
        "web": {*web, "web04"},
        "db": {"db-a", "db-b", "db-c"},
        "apps": {*web, "web04", "db-a", "db-b", "db-c"},
        "edge": {"bastion"},
    }
    assert (hosts["lone.example.org"].port, hosts["lone.example.org"].user) == (2200, "root")
    assert {hosts[host].user for host in web} == {"deploy"}
    assert {hosts[host].key for host in web} == {str(tmp_path / "keys/fleet")}
    assert (hosts["db-b"].port, hosts["db-b"].user) == (2222, "app user")
    through = hosts["web04"]
    assert (through.address, through.sudo, through.jump, through.user) == ("192.0.2.4", False, "bastion", "app user")
    assert hosts["bastion"].sudo is True


def test_group_vars_and_host_vars_win_as_ansible_lets_them(tmp_path: Path) -> None:
    files = {
        "hosts.ini": "[top:children]\nlow\n[low]\na ansible_user=inline\nb\nc\n[low:vars]\nansible_user=inilow\n",
        "group_vars/all.yml": "ansible_user: all\nansible_port: 2201\n",
        "group_vars/top/main.yaml": "ansible_user: top\nansible_port: 2202\nnetdiag_labels: {role: web}\n",
        "group_vars/low": "ansible_port: 2203\n",
        "host_vars/b.yml": "ansible_port: '2204'\nansible_become: \"no\"\n",
        "host_vars/c.yml": "$ANSIBLE_VAULT;1.1;AES256\n3130\n",
    }
    hosts = read(tmp_path, files).hosts
    assert [(host.user, host.port, host.sudo) for host in hosts.values()] == [
        ("inline", 2203, True),
        ("top", 2204, False),
        ("top", 2203, True),
    ]
    assert hosts["a"].labels == {"role": "web"}


REFUSED_ANSIBLE = {
    "vault": (
        "hosts.yml",
        "all: {hosts: {a: {ansible_host: !vault x}}}\n",
        "ansible_host is in a vault; give it in the clear",
    ),
    "jinja": (
        "hosts.ini",
        'a ansible_host="{{ x }}"\n',
        "hosts.ini:1: ansible_host is computed by Ansible ({{ x }}); let Ansible",
    ),
    "range": ("hosts.ini", "[g]\nweb[1-3]\n", 'hosts.ini:2: "web[1-3]" has a broken range; write it like web[01:20]'),
    "jump": ("hosts.ini", "a ansible_ssh_common_args='-J b'\n", 'jump host "b" is not in the inventory; add each'),
    "proxy": (
        "hosts.ini",
        "a ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'\n",
        "hosts.ini:1: ProxyCommand 'nc %h %p' is not run; name a jump host",
    ),
    "circle": ("hosts.ini", "[a:children]\nb\n[b:children]\na\n[b]\nh\n", "is its own descendant; break the circle"),
    "winrm": ("hosts.ini", "a ansible_connection=winrm\n", "hosts.ini:1: transport must be a transport, not 'winrm'"),
    "section": ("hosts.ini", "[a:kids]\nb\n", 'hosts.ini:1: section "[a:kids]" is none of [a]'),
    "word": ("hosts.ini", "a b\n", 'hosts.ini:1: "b" is no variable; write key=value'),
    "port": ("hosts.ini", "a:99999\n", "hosts.ini:1: port must be a port from 1 to 65535"),
    "json": ("hosts.json", "{", "hosts.json:1: not JSON"),
    "json list": (
        "hosts.json",
        "[]",
        "hosts.json:1: not what ansible-inventory prints; write it with: ansible-inventory --list",
    ),
    "empty": ("hosts", "", "the inventory holds no host"),
}


@pytest.mark.parametrize("case", REFUSED_ANSIBLE.values(), ids=REFUSED_ANSIBLE)
def test_an_ansible_inventory_is_refused_where_only_ansible_could_tell(
    case: tuple[str, str, str], tmp_path: Path
) -> None:
    name, text, fault = case
    assert any(fault in line for line in faults(tmp_path, {name: text}))


@given(first=st.integers(0, 300), count=st.integers(0, 50), width=st.integers(1, 5), step=st.integers(1, 7))
def test_a_range_means_what_counting_means(first: int, count: int, width: int, step: int) -> None:
    low = str(first).zfill(width)
    high = str(first + count).zfill(len(low))
    names = hosts_in(f"w[{low}:{high}:{step}].x")
    padded = len(low) if low[0] == "0" else 0
    assert names == [f"w{str(n).zfill(padded)}.x" for n in range(first, first + count + 1, step)] or len(low) != len(
        high
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["hosts.yaml", "hosts.ini", "hosts", "hosts.json"]),
    cut=st.integers(0, 900),
    noise=st.text(max_size=12),
    text=st.sampled_from([OURS, INI, YAML, as_list()]),
)
def test_a_damaged_inventory_is_an_inventory_or_a_config_error(
    name: str, cut: int, noise: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    (directory / name).write_text(text[:cut] + noise + text[cut + len(noise) :], encoding="utf-8", errors="replace")
    try:
        inventory = load_inventory(directory)
    except ConfigError as error:
        told = str(error)
    else:
        told = str(directory) if inventory.hosts else ""
    assert str(directory) in told

"""The [[link]] tables: how each way to devices is reached, with its certificates and secrets.

Owns    what a link's URL, TLS files, secrets and embedded broker must look like.
Needs   inspection, tables, files, gateway.driver. Finds drivers by name and lists none: a driver's
        package may export `Options` (a pydantic model of the keys that are its own), `SCHEMES` (the
        URL schemes it talks) and `check_url` (raises ValueError with what is wrong).
Keeps   A password never travels over plain TCP to another machine by accident: TLS files demand a
        TLS scheme.
"""

import importlib
import importlib.util
import ipaddress
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel

from gateway.config.files import existing_file, private_file, secret
from gateway.config.inspection import (
    Inspection,
    Spot,
    both,
    close_to,
    one_of,
    readable,
    shown,
    written,
)
from gateway.config.settings import EmbeddedBroker, Site
from gateway.config.tables import LinkTable, own_keys
from gateway.driver import LinkSettings, find_driver
from gateway.errors import ConfigError

TLS_SCHEMES: Final = frozenset({"mqtts", "tls", "https"})
DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
BROKER_KEYS: Final = (
    "broker_listen",
    "device_username",
    "device_password_file",
    "device_password_env",
)
MAX_LINKS: Final = 256


def check_links(
    raw: object, spot: Spot, site: Site | None, store: Path | None, inspection: Inspection
) -> tuple[list[LinkSettings], dict[str, EmbeddedBroker]]:
    """Check every [[link]]; at most MAX_LINKS of them."""
    entries = inspection.tables(raw, spot)
    if len(entries) > MAX_LINKS:
        inspection.fault(
            spot,
            both(f"有 {len(entries)} 条链路", f"there are {len(entries)} links"),
            both(f"最多 {MAX_LINKS} 条", f"at most {MAX_LINKS}"),
        )
    links: list[LinkSettings] = []
    embedded: dict[str, EmbeddedBroker] = {}
    names: dict[str, Spot] = {}
    clients: dict[tuple[str, str], str] = {}
    for entry, entry_spot in entries[:MAX_LINKS]:
        where = named(entry, entry_spot, spot, names, inspection)
        table = inspection.table(LinkTable, entry, where)
        if table is None or where is entry_spot:
            continue
        link = _link(table, where, site, inspection)
        if link is None:
            continue
        rival = clients.setdefault((link.url, link.client_id), link.name)
        if rival != link.name:
            inspection.fault(
                where.child("client_id"),
                both(f"与链路 `{rival}` 相同，会互相踢下线", f"the same as link `{rival}`'s"),
                both("同一代理上各不相同", "one of its own: the broker would throw each off"),
            )
        links.append(link)
        broker = _embedded(table, link, where, store, inspection)
        if broker is not None:
            embedded[link.name] = broker
    return links, embedded


def named(
    entry: Mapping[str, Any],
    numbered: Spot,
    root: Spot,
    names: dict[str, Spot],
    inspection: Inspection,
) -> Spot:
    """Return the spot of a table by its name, link["field"]; remembers the name.

    Without a name, or when the name is taken (a fault), the spot stays the numbered one, link[1].
    """
    name = entry.get("name")
    if not isinstance(name, str) or not readable(name):
        return numbered
    first = names.setdefault(name, numbered)
    if first is numbered:
        return Spot(numbered.file, root.item(name).key)
    inspection.fault(
        numbered.child("name"),
        both(f"`{name}` 已被 {first.key} 用了", f"`{name}` is already used by {first.key}"),
        both("不重复的名字", "a name of its own"),
    )
    return numbered


def listen_address(text: str, spot: Spot, inspection: Inspection) -> tuple[str, int] | None:
    """Return host and port of "host:port" or "[::1]:port"; None (and a fault) for others."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        plain = parts.netloc == text and "@" not in text
    except ValueError:
        host, port, plain = None, None, False
    if not host or not port or not plain:
        inspection.fault(
            spot,
            written(text),
            both(
                "主机:端口，端口 1 至 65535",
                "host:port with a port from 1 to 65535, 127.0.0.1:8800",
            ),
        )
        return None
    return host, port


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _link(
    table: LinkTable, spot: Spot, site: Site | None, inspection: Inspection
) -> LinkSettings | None:
    before = len(inspection.faults)
    package = _driver_package(table.kind, spot.child("kind"), inspection)
    options: dict[str, Any] = {}
    if package is not None:
        schemes = tuple(getattr(package, "SCHEMES", ()))
        parts = check_url(table.url, schemes, spot.child("url"), inspection)
        if parts is not None and hasattr(package, "check_url"):
            _check_own_url(package, table.url, spot.child("url"), inspection)
        options = _options(package, table, spot, inspection)
    _check_tls(table, spot, inspection)
    _check_account(table, "username", "password", spot, inspection)
    ca = existing_file(table.ca, spot.child("ca"), inspection)
    cert = existing_file(table.cert, spot.child("cert"), inspection)
    key = private_file(table.key, spot.child("key"), inspection)
    password = secret(table.password_file, table.password_env, spot, "password", inspection)
    if len(inspection.faults) > before or site is None:
        return None
    return LinkSettings(
        name=table.name,
        kind=table.kind,
        url=table.url,
        client_id=table.client_id or f"campus-{site.id}-{site.gateway}-{table.name}",
        username=table.username,
        password=password,
        ca=ca,
        cert=cert,
        key=key,
        options=options,
    )


def _driver_package(kind: str, spot: Spot, inspection: Inspection) -> Any | None:  # noqa: ANN401
    try:
        find_driver(kind)
        return importlib.import_module(f"drivers.{kind}")
    except (LookupError, ImportError, AttributeError):
        pass
    known = driver_names()
    chinese, english = close_to(kind, known)
    inspection.fault(
        spot,
        both(f"没有驱动 `{kind}`{chinese}", f"there is no driver `{kind}`{english}"),
        one_of(known),
    )
    return None


def driver_names() -> list[str]:
    """Return the kinds of links there are: the folders under drivers/."""
    package = importlib.util.find_spec("drivers")
    folders = package.submodule_search_locations if package else None
    return [module.name for module in pkgutil.iter_modules(folders or [])]


def check_url(
    url: str, schemes: tuple[str, ...] | None, spot: Spot, inspection: Inspection
) -> SplitResult | None:
    """Check scheme, host and port of a link's URL; never repeats what stands before an @."""
    allowed = [
        f"{scheme}://" if scheme != "serial" else "serial:/dev/…" for scheme in schemes or ()
    ]
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    expected = both("协议://主机:端口", "scheme://host:port")
    if parts.scheme and schemes and parts.scheme not in schemes:
        problem = both(f"不会说 {parts.scheme}", f"does not talk {parts.scheme}")
        expected = one_of(allowed)
    elif "@" in parts.netloc:
        problem = both("密码写进了网址", "there is user information in the URL")
        expected = "`username` and `password_file` = …"
    elif not port_fits:
        problem = both(f"端口不对：{shown(url)}", f"the port does not fit in {shown(url)}")
        expected = both("端口 1 至 65535", "a port from 1 to 65535")
    elif not parts.scheme or (parts.scheme != "serial" and not parts.hostname):
        problem = written(url)
        expected = one_of(allowed) if allowed else expected
    elif parts.scheme.startswith("mqtt") and (parts.path.strip("/") or parts.query):
        problem = both(f"主机后面多了内容：{shown(url)}", f"has more than a host in {shown(url)}")
    else:
        return parts
    inspection.fault(spot, problem, expected)
    return None


def _check_own_url(package: Any, url: str, spot: Spot, inspection: Inspection) -> None:  # noqa: ANN401
    """Ask the driver what else is wrong with a URL: a serial port's speed, a DTU's text."""
    try:
        package.check_url(url)
    except ValueError as error:
        inspection.fault(spot, str(error), both("见驱动说明", "what the driver's README shows"))


def _options(
    package: Any,  # noqa: ANN401 a driver's package is known by its names only
    table: LinkTable,
    spot: Spot,
    inspection: Inspection,
) -> dict[str, Any]:
    own = own_keys(table)
    model: type[BaseModel] | None = getattr(package, "Options", None)
    known = [*LinkTable.model_fields, *(model.model_fields if model else ())]
    strange = [key for key in own if key not in known]
    for key in strange:
        inspection.unknown_key(spot, key, known)
    if model is None:
        return {}
    rest = {key: value for key, value in own.items() if key not in strange}
    checked = inspection.table(model, rest, spot, context={"folder": inspection.folder})
    return {} if checked is None else checked.model_dump()


def _check_tls(table: LinkTable, spot: Spot, inspection: Inspection) -> None:
    if (table.cert is None) != (table.key is None):
        missing = "key" if table.key is None else "cert"
        inspection.fault(
            spot.child(missing),
            both("没有写", "missing"),
            both("cert 和 key 成对出现", "cert and key together"),
        )
    scheme = table.url.partition(":")[0]
    for name in ("ca", "cert", "key"):
        if getattr(table, name) is not None and scheme not in TLS_SCHEMES:
            inspection.fault(
                spot.child(name),
                both(f"{scheme} 不加密，用不上证书", f"{scheme} is not encrypted and uses none"),
                both("mqtts:// 网址，或去掉此键", "an mqtts:// url, or no such key"),
            )


def _check_account(
    table: LinkTable, user_key: str, secret_key: str, spot: Spot, inspection: Inspection
) -> None:
    """A password without a name is never sent; a device's name without password is no account."""
    user = getattr(table, user_key)
    secrets = [getattr(table, f"{secret_key}_{source}") for source in ("file", "env")]
    if user is None and secrets != [None, None]:
        inspection.fault(
            spot.child(user_key),
            both("没有写，只有密码", "missing, there is only a password"),
            both("用户名", "the user name that goes with it"),
        )
    elif user is not None and secrets == [None, None] and user_key == "device_username":
        inspection.fault(
            spot.child(f"{secret_key}_file"),
            both("没有写，只有用户名", "missing, there is only a user name"),
            f"`{secret_key}_file` = a file, or `{secret_key}_env` = the name of a variable",
        )


def _embedded(
    table: LinkTable, link: LinkSettings, spot: Spot, store: Path | None, inspection: Inspection
) -> EmbeddedBroker | None:
    if table.broker is None:
        for name in BROKER_KEYS:
            if getattr(table, name) is not None:
                inspection.fault(
                    spot.child(name),
                    both("只对内置代理有意义", "means nothing without an embedded broker"),
                    'broker = "embedded"',
                )
        return None
    _check_account(table, "device_username", "device_password", spot, inspection)
    parts = urlsplit(link.url)
    if parts.scheme != "mqtt" or not is_loopback(parts.hostname or ""):
        inspection.fault(
            spot.child("url"),
            both(
                f"内置代理在本机，不在 {shown(link.url)}",
                f"the embedded broker is on this machine, not at {shown(link.url)}",
            ),
            both(
                "mqtt://127.0.0.1:端口；设备从哪里连接写在 broker_listen",
                "mqtt://127.0.0.1:PORT; where devices connect is broker_listen",
            ),
        )
        return None
    port = parts.port or DEFAULT_PORTS["mqtt"]
    listen: tuple[str, int] | None = (parts.hostname or "", port)
    if table.broker_listen is not None:
        listen = listen_address(table.broker_listen, spot.child("broker_listen"), inspection)
    password = secret(
        table.device_password_file, table.device_password_env, spot, "device_password", inspection
    )
    if listen is None or store is None:
        return None
    if listen[1] != port:
        inspection.fault(
            spot.child("broker_listen"),
            both(f"端口 {listen[1]} 与 url 不同", f"port {listen[1]} is not the url's"),
            both("与 url 相同的端口", "the same port as in `url`"),
        )
        return None
    if not is_loopback(listen[0]) and (password is None or table.device_username is None):
        inspection.fault(
            spot.child("broker_listen"),
            both(
                f"{listen[0]} 对网络开放而没有用户名和密码",
                f"{listen[0]} is open to the network without a password",
            ),
            "`device_username` and `device_password_file`",
        )
        return None
    broker = EmbeddedBroker(
        link=link.name,
        listen_host=listen[0],
        port=listen[1],
        folder=store / "broker" / link.name,
        username=table.device_username,
        password=password,
    )
    return broker if _can_run(broker, spot, inspection) else None


def _can_run(broker: EmbeddedBroker, spot: Spot, inspection: Inspection) -> bool:
    """Ask the broker's own code for its program and its rules about accounts."""
    from gateway.links.broker import settings as rules  # noqa: PLC0415 costs 0.3 s, few need it

    users: tuple[rules.BrokerUser, ...] = ()
    if broker.username is not None and broker.password is not None:
        users = (rules.BrokerUser(name=broker.username, password=broker.password),)
    sound = True
    for key, question in (
        ("broker", rules.find_server),
        (
            "device_username",
            lambda: rules.check_users(rules.BrokerSettings(folder=broker.folder, devices=users)),
        ),
    ):
        try:
            question()
        except ConfigError as error:
            sound = False
            for fault in error.faults:
                inspection.fault(spot.child(key), fault.problem, fault.expected)
    return sound

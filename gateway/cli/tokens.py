"""`campus-gateway token`: what machines and consoles without people sign on with.

Owns    making, listing and revoking API tokens from the machine itself.
Needs   parts; gateway.console is imported inside (see root.py).
Keeps   The token is the only thing on stdout, once; who made or revoked it is written down.
"""

import importlib
from typing import Annotated, Any, Final

import typer

from gateway.cli import evidence
from gateway.cli.parts import EXIT_FAILED, ConfigFolder, advise, load
from gateway.clock import SystemClock

ROLES: Final = ("guard", "leader", "installer", "admin", "viewer", "platform", "auditor")


def token(
    config: ConfigFolder,
    role: Annotated[
        str | None, typer.Option(metavar="|".join(ROLES), help="角色 / what it may do")
    ] = None,
    name: Annotated[
        str, typer.Option(help="给谁用 / whose it is, shown in lists and records")
    ] = "",
    list_: Annotated[bool, typer.Option("--list", help="列出令牌 / list tokens")] = False,  # noqa: FBT002 typer's way to say a flag
    revoke: Annotated[
        str | None, typer.Option(metavar="ID", help="作废一个 / revoke one by its id")
    ] = None,
) -> None:
    """Make an API token (shown once), or list or revoke tokens."""
    if (role is not None) + list_ + (revoke is not None) != 1:
        raise typer.BadParameter("--role, --list, --revoke: 选一个 / give exactly one of them")
    if role is not None and role not in ROLES:
        raise typer.BadParameter(f"--role: {' | '.join(ROLES)}")
    checked = load(config)
    console_tokens: Any = importlib.import_module("gateway.console.tokens")
    checked.store.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    book = console_tokens.TokenBook(checked.store.path / "tokens.json", SystemClock())
    if role is not None:
        try:
            made = book.create(console_tokens.Role(role), name or role)
        except ValueError as error:
            raise typer.BadParameter(f"--name: {error}") from error
        evidence.note(checked.store.path, "token.create", name or role, role=role)
        typer.echo(made)
        advise(
            "请现在抄好：不会再显示第二次。丢了就用 --revoke 作废，再发一个",
            "write it down now: it is never shown again. If it is lost, --revoke it and make one",
        )
    elif list_:
        for entry in book.list():
            typer.echo(f"{entry.id}\t{entry.role}\t{entry.created_at}\t{entry.name}")
    elif not book.revoke(revoke):
        advise("没有这个 id：用 --list 查看", "there is no such id: see --list")
        raise typer.Exit(EXIT_FAILED)
    else:
        evidence.note(checked.store.path, "token.revoke", str(revoke))

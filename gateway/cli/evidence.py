"""`campus-gateway export` and `verify --package`: evidence made and checked by a person.

Owns    the words and the file that is written; what a package is, is gateway.evidence's.
Needs   parts; gateway.evidence is imported inside the commands (see root.py).
Keeps   1. The file appears under its name whole and synced, or not at all, and never over another.
        2. The export is handed in to the audit trail before the file has its name.
        3. Ctrl-C and a SIGTERM leave nothing behind.
"""

import contextlib
import getpass
import importlib
import os
import signal
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from gateway.cli.parts import EXIT_FAILED, EXIT_INTERRUPTED, ConfigFolder, advise, load, say
from gateway.clock import SystemClock

NO_REASON: Final = "未说明 not stated"
STEP_BYTES: Final = 512 * 1024 * 1024


def export(
    config: ConfigFolder,
    *,
    alarm: Annotated[
        str | None, typer.Option(metavar="ID", help="警情 / one alarm, with its video")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(metavar="ID", help="摄像机 / one camera, with --from and --to")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="2026-11-21T08:00:00+08:00；不写时区为本机时区"),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="T", help="同上 / the same")] = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="事由，记入审计 / why; it goes into the audit trail")
    ] = NO_REASON,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="写到哪里，不覆盖 / where to; never over")
    ] = None,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="显示公钥和指纹 / show the public key")
    ] = False,
) -> None:
    """Make an evidence package of an alarm or of a camera's time, or show the signing key."""
    checked = load(config)
    evidence: Any = importlib.import_module("gateway.evidence")
    key = evidence.open_key(checked.store.path)
    if show_key:
        typer.echo(key.fingerprint)
        typer.echo(key.pem.decode(), nl=False)
        return
    if out is None:
        raise typer.BadParameter("缺少 / missing", param_hint="--out")
    wanted = _wanted(evidence, alarm, camera, (from_, to), reason)
    clock = SystemClock()
    builder = evidence.Builder(
        config=checked, wanted=wanted, key=key, clock=clock, progress=_Progress().told
    )
    handed_in: Any = importlib.import_module("gateway.store.handed_in")
    with _stopping(builder.stop), _appearing(out) as file:
        built = builder.build(file)
        file.flush()
        os.fsync(file.fileno())
        handed_in.hand_in(checked.store.path, built.entry(wanted), clock.utc_ns())
    typer.echo(f"{out}: {built.size_bytes} 字节 bytes, {built.segments} 段录像 segments of video")
    typer.echo(f"编号 id {built.id}")
    typer.echo(f"清单 manifest SHA-256 {built.manifest}")
    typer.echo(f"密钥指纹 key {built.key}")
    if built.missing:
        advise(
            "有 {count} 项不在包内，原因见 manifest.json 的 missing",
            "{count} things are not in it: manifest.json says under `missing` which and why",
            count=built.missing,
        )


def verify_package(package: Path, key: str) -> None:
    """Check a package; exit code 1 when it is not good."""
    verifier: Any = importlib.import_module("gateway.evidence.verifier")
    try:
        wanted = verifier.wanted_key(key) if key else ""
    except ValueError as error:
        raise typer.BadParameter(f"--key: {error}") from error
    found = verifier.check(package, wanted)
    for line in verifier.report(found, with_key=bool(wanted)):
        typer.echo(line)
    if found.fault is not None:
        raise typer.Exit(EXIT_FAILED)


def note(store: Path, action: str, subject: str, **details: str) -> None:
    """Hand in to the audit trail what was just done at this machine. Says so when it cannot be."""
    audit: Any = importlib.import_module("gateway.audit")
    handed_in: Any = importlib.import_module("gateway.store.handed_in")
    entry = audit.Entry(
        who=_who(),
        role="local",
        from_address="local",
        action=action,
        subject=subject,
        details=details,
    )
    try:
        handed_in.hand_in(store, entry, SystemClock().utc_ns())
    except OSError as error:
        advise("未能记入审计：{why}", "not noted in the audit trail: {why}", why=error)


def _wanted(
    evidence: Any,  # noqa: ANN401 a module that is not imported for --help
    alarm: str | None,
    camera: str | None,
    times: tuple[str | None, str | None],
    reason: str,
) -> Any:  # noqa: ANN401 see evidence
    if (alarm is None) == (camera is None):
        raise typer.BadParameter("--alarm, --camera: 选一个 / give exactly one of them")
    if camera is None and times != (None, None):
        raise typer.BadParameter("--from, --to: 只用于 --camera / go with --camera only")
    from_ns, to_ns = (
        _moment(name, text, camera) for name, text in zip(("--from", "--to"), times, strict=True)
    )
    person = evidence.Person(who=_who(), role="local", from_address="local")
    try:
        return evidence.Wanted(
            person=person,
            reason=reason,
            alarm_id=alarm,
            camera=camera,
            from_ns=from_ns,
            to_ns=to_ns,
        )
    except evidence.ExportError as error:
        raise typer.BadParameter(str(error)) from error


def _moment(name: str, text: str | None, camera: str | None) -> int:
    """UTC nanoseconds; a time without a zone is this machine's."""
    if camera is None:
        return 0
    if text is None:
        raise typer.BadParameter("缺少 / missing", param_hint=name)
    moments: Any = importlib.import_module("gateway.playback.moments")
    try:
        return int(moments.parse(text))
    except ValueError:  # without a zone: over HTTP no time, here the one on this machine's wall
        try:
            return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000) * 1_000_000
        except (ValueError, OverflowError, OSError) as error:
            told = f"{name}: {error}: 2026-11-21T08:00:00+08:00"
            raise typer.BadParameter(told) from error


def _who() -> str:
    """Who sits at the machine, as the system knows him; and who he was before sudo."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER", "")
    return f"{before} ({name})" if before and before != name else name


@contextlib.contextmanager
def _appearing(out: Path) -> Iterator[BinaryIO]:
    """A file beside `out` that gets its name when all went well, and is gone otherwise."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    if out.exists():
        raise typer.BadParameter(f"--out: {out} 已存在 is there already: choose another name")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"--out: {part.parent}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
        _name(part, out)
    finally:
        part.unlink(missing_ok=True)


def _name(part: Path, out: Path) -> None:
    """Give it its name, unless somebody took that meanwhile; a stick with FAT knows no links."""
    try:
        out.hardlink_to(part)
    except FileExistsError as error:
        raise typer.BadParameter(f"--out: {out} 已存在 is there already") from error
    except OSError:
        part.replace(out)
    descriptor = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let a SIGTERM end it as Ctrl-C does: what is unfinished is taken away."""

    def ended(_number: int, _frame: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    except KeyboardInterrupt:
        advise("已停止，没有留下文件", "stopped; no file is left")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


class _Progress:
    """One line on stderr for each STEP_BYTES, and one when it waits for a seal."""

    def __init__(self) -> None:
        self._next = STEP_BYTES
        self._waited = False

    def told(self, done: int, total: int) -> None:
        """See Builder.progress."""
        if not done and not self._waited:
            self._waited = True
            say(
                "等待正在录制的一段封存 waiting for the segment that is being recorded to be sealed"
            )
        if done >= self._next:
            self._next = done - done % STEP_BYTES + STEP_BYTES
            say(f"{done / 1024**3:.1f} / {total / 1024**3:.1f} GiB")

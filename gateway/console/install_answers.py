"""What the install routes answer: a proposal, and which problem goes with what was wrong.

Owns    the answers' rows, refusing().
Needs   gateway.console.problems, for what every refusal of the console looks like.
Keeps   What is refused for its content has every fault, with file and key, as `check` has.
Bound   FAULTS_MOST faults, SINCE_MOST changes of others with SINCE_CHARS of their differences.
"""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

import orjson
from starlette.responses import Response

from gateway.config.blocks import CannotEdit
from gateway.config.edit import CannotWrite, NothingToDo, Proposal, Stale
from gateway.config.kept import CannotKeep
from gateway.console.install_asked import Busy, NotThere
from gateway.console.problems import Problem
from gateway.errors import ConfigError, ConfigFault, GatewayError
from gateway.store import rfc3339

FAULTS_MOST: Final = 200
SINCE_MOST: Final = 20
SINCE_CHARS: Final = 20_000


def proposed(proposal: Proposal) -> dict[str, Any]:
    """Return what a change would do."""
    return {
        "file": proposal.file,
        "version": proposal.version,
        "diff": proposal.diff,
        "what": proposal.what,
        "faults": _faults(proposal.faults),
    }


def _faults(faults: Sequence[ConfigFault]) -> list[dict[str, str]]:
    return [
        {
            "file": PurePath(fault.file).name,
            "key": fault.key,
            "problem": fault.problem,
            "expected": fault.expected,
        }
        for fault in faults[:FAULTS_MOST]
    ]


class _Invalid(Problem):
    """The configuration would not hold; the answer has every fault beside the error."""

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        first = str(faults[0]) if faults else ""
        super().__init__(
            422,
            "config_faults",
            f"配置有 {len(faults)} 处错误，什么也没有改",
            f"the configuration has {len(faults)} faults, nothing was changed: {first[:300]}",
            "correct them and check again",
        )
        self._faults = _faults(faults)

    def as_json(self) -> Response:
        """See Problem."""
        answer = super().as_json()
        body = {**orjson.loads(bytes(answer.body)), "faults": self._faults}
        return as_json(body, self.status_code)


class _Outrun(Problem):
    """Somebody else was first; the answer says who, and has the difference of each change."""

    def __init__(self, error: Stale) -> None:
        zh, _, en = str(error)[:400].partition(" / ")
        if isinstance(error, NotThere):
            zh, en = "没有这一项", "there is no such thing"
        super().__init__(409, "stale", zh, en or zh, "look at `since`, read the files again")
        self._since = [
            {
                "who": kept.who, "at": rfc3339(kept.at_ns), "what": kept.what, "reason": kept.why,
                "diff": diff[:SINCE_CHARS],
            }
            for kept, diff in error.since[-SINCE_MOST:]
        ]  # fmt: skip

    def as_json(self) -> Response:
        """See Problem."""
        body = {**orjson.loads(bytes(super().as_json().body)), "since": self._since}
        return as_json(body, self.status_code)


class refusing:  # noqa: N801 reads as what it does: with refusing()
    """Turn what may be wrong with a change into the answer for it."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Problem) or not isinstance(error, (GatewayError, ValueError)):
            return
        if isinstance(error, ConfigError):
            raise _Invalid(error.faults) from error
        if isinstance(error, Stale):
            raise _Outrun(error) from error
        status, code, next_step = next(
            (row[1:] for row in _ANSWERS if isinstance(error, row[0])),
            (503, "not_taken", "try again; the files hold what was written"),
        )
        zh, _, en = str(error)[:400].partition(" / ")
        if isinstance(error, NotThere):
            zh, en = "没有这一项", "there is no such thing"
        raise Problem(status, code, zh, en or zh, next_step) from error


_ANSWERS: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (NothingToDo, 409, "nothing_to_do", "nothing"),
    (CannotEdit, 422, "cannot_edit", "change the file with an editor, then POST …/reload"),
    (CannotWrite, 403, "cannot_write", "let the gateway's user write there; see the guide"),
    (CannotKeep, 507, "cannot_keep", "look at the disk of the store"),
    (Busy, 409, "search_runs", "wait for the search, or DELETE it"),
    (NotThere, 404, "not_there", "see /api/v1/devices and …/install/profiles"),
    (ValueError, 422, "not_valid", "send what /openapi.json describes"),
)


def as_json(body: object, status: int = 200) -> Response:
    """Return any rows of ours as an answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")

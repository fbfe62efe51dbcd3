"""NotificationMessages of the specification and of the field, and what is made of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.onvif.events import MAX_ITEMS, Notice, read_pulled
from gateway.links.onvif.xml import BadXml, parse

HEAD = (
    '<e:PullMessagesResponse xmlns:e="http://www.onvif.org/ver10/events/wsdl" '
    'xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tns1="http://www.onvif.org/ver10/topics">'
    "<e:CurrentTime>2026-11-21T08:15:31Z</e:CurrentTime>"
    "<e:TerminationTime>2026-11-21T08:25:31Z</e:TerminationTime>"
)


def answer(*messages: str) -> bytes:
    return f"{HEAD}{''.join(messages)}</e:PullMessagesResponse>".encode()


def message(topic: str, inside: str, attributes: str = "", *, declared: str = "") -> str:
    return (
        f"<wsnt:NotificationMessage><wsnt:Topic{declared}>{topic}</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="2026-11-21T08:15:30Z"{attributes}>{inside}</tt:Message>'
        "</wsnt:Message></wsnt:NotificationMessage>"
    )


INPUT = (
    '<tt:Source><tt:SimpleItem Name="InputToken" Value="DI_1"/></tt:Source>'
    '<tt:Data><tt:SimpleItem Name="LogicalState" Value="true"/></tt:Data>'
)


def one(*messages: str) -> Notice:
    [notice] = read_pulled(parse(answer(*messages))).notices
    return notice


def test_the_form_of_the_specification_is_read_whole() -> None:
    pulled = read_pulled(
        parse(
            answer(
                message("tns1:Device/Trigger/DigitalInput", INPUT, ' PropertyOperation="Changed"')
            )
        )
    )
    assert pulled.granted_ns == 600 * 10**9
    assert [each.document for each in pulled.notices] == [
        {
            "topic": "tns1:Device/Trigger/DigitalInput",
            "operation": "Changed",
            "utc_time": "2026-11-21T08:15:30Z",
            "source": {"InputToken": "DI_1"},
            "key": {},
            "data": {"LogicalState": "true"},
        }
    ]


@pytest.mark.parametrize(
    ("said", "declared", "topic"),
    [
        (
            "x:VideoSource/MotionAlarm",
            ' xmlns:x="http://www.onvif.org/ver10/topics"',
            "tns1:VideoSource/MotionAlarm",
        ),
        (
            "\n tns1:RuleEngine/CellMotionDetector/Motion//. ",
            "",
            "tns1:RuleEngine/CellMotionDetector/Motion",
        ),
        ("tnshik:Alarm/Line", ' xmlns:tnshik="http://maker/topics"', "tnshik:Alarm/Line"),
        ("tns1:RuleEngine/tnsx:Own", "", "tns1:RuleEngine/tnsx:Own"),
    ],
)
def test_a_topic_is_written_the_same_whatever_the_camera_calls_its_prefixes(
    said: str, declared: str, topic: str
) -> None:
    assert one(message(said, INPUT, declared=declared)).topic == topic


def test_a_value_may_be_text_and_an_operation_nobody_knows_is_none() -> None:
    inside = '<tt:Data><tt:SimpleItem Name="IsMotion">1</tt:SimpleItem></tt:Data>'
    notice = one(message("tns1:X", inside, ' PropertyOperation="Perhaps"'))
    assert (notice.data, notice.operation) == ({"IsMotion": "1"}, "")


def test_one_that_cannot_be_read_spoils_none_of_its_neighbours() -> None:
    broken = "<wsnt:NotificationMessage><wsnt:Topic/></wsnt:NotificationMessage>"
    pulled = read_pulled(parse(answer(broken, message("tns1:A", INPUT), message("", INPUT))))
    assert [each.topic for each in pulled.notices] == ["tns1:A"]
    assert pulled.unread == 2


def test_items_are_bounded_in_number_and_length() -> None:
    many = "".join(f'<tt:SimpleItem Name="n{n}" Value="{"x" * 5000}"/>' for n in range(100))
    notice = one(message("tns1:A", f"<tt:Data>{many}</tt:Data>"))
    assert len(notice.data) == MAX_ITEMS
    assert {len(value) for value in notice.data.values()} == {1024}


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_in_a_message_is_read_or_left_out(topic: str, value: str) -> None:
    data = answer(message(topic, f'<tt:Data><tt:SimpleItem Name="a" Value="{value}"/></tt:Data>'))
    try:
        pulled = read_pulled(parse(data))
    except (BadXml, UnicodeEncodeError):
        return
    assert len(pulled.notices) + pulled.unread >= 0
    for notice in pulled.notices:
        assert notice.topic.isprintable()

r"""What `campus-gateway --help` says: Chinese first, English second, with examples to copy.

Owns    the texts and nothing else; root.py says which command each belongs to. In a paragraph that
        begins with \b the line breaks are kept.
"""

from typing import Final

MAIN: Final = """\
校园安防网关：把报警可靠地送到警方和教育局。

Campus security gateway: carries alarms durably to the police and the bureau.

\b
campus-gateway demo                         在一台机器上看全部 / see everything on one machine
campus-gateway scan modbus tcp://192.0.2.20 总线上有什么 / what is on a bus
campus-gateway check --config /etc/campus   检查配置 / check the files
campus-gateway run --config /etc/campus     运行 / run

\b
退出码 / exit codes: 0 完成 done, 1 失败 failed, 2 用法 usage, 78 配置 configuration
"""

PROFILE: Final = """\
型号文件：列出、检查、试解码。

Device profiles: list them, check one, try a message.
"""

SIMULATE: Final = """\
模拟现场设备。

Act as a device in the field.
"""

VIDEO: Final = """\
运行录像：把每台摄像机的码流原样写成一分钟一段，哈希、落盘、编入索引，按保留天数清理。

Run the recorder: every camera's stream as it is, in segments of a minute, hashed, synced, indexed,
and removed when its days are over.

\b
例 / example: campus-gateway video --config /etc/campus-gateway
"""

VIDEO_ADOPT: Final = """\
认下一块录像盘：换了新盘，或者盘来自别的网关。先显示盘上有什么，确认后由录像进程启用。

Adopt a disk for video: a new one, or one of another gateway. Says first what is on it; the
recorder, which has to run, uses it once you have confirmed.

\b
例 / example: campus-gateway video adopt --config /etc/campus-gateway /srv/video-1
"""

VIDEO_RELEASE: Final = """\
放行一个警情的留证录像：放行后按保留天数正常清理，不能撤回。警情须已关闭；谁、为什么，记入审计。

Release the video that is held for an alarm: from then on it goes when its days are over, which
cannot be taken back. The alarm has to be closed; who did it and why is in the audit trail.

\b
例 / example: campus-gateway video release --config /etc/campus-gateway --alarm ID --reason "已移交"
"""

VIDEO_RELEARN: Final = """\
重学画面：有意转动或移动了摄像机之后，让画面检查忘掉旧场景。确认画面正常再用。

Learn a camera's scene anew after it was turned or moved on purpose. See that its picture is good
first: what it shows now is what it will be held to.

\b
例 / example: campus-gateway video relearn --config /etc/campus-gateway --camera cam-gate
"""

RUN: Final = """\
运行网关：接警、送达、接口和网页。

Run the gateway: alarms in, deliveries out, API and page.

\b
例 / example: campus-gateway run --config /etc/campus-gateway
"""

DEMO: Final = """\
在一台机器上演示：代理、按钮、网关、警方和教育局。

Show everything on one machine: broker, buttons, gateway, police and bureau. Ctrl-C stops it,
a second start finds the old data.

\b
例 / example: campus-gateway demo --data ./demo-data --port 8800
然后 / then:   campus-gateway simulate press
"""

CHECK: Final = """\
检查全部配置文件，一行一个错误；有错误时退出码 78。

Check all files, one line per fault; exit code 78 when there is one.

\b
例 / example: campus-gateway check --config /etc/campus-gateway
输出 / prints: FILE: key.path: what is wrong, expected what would be right
"""

VERIFY: Final = """\
检查数据库、哈希链和每一段录像，指出不符的地方。

Check the store, its hash chain and every segment of video; names what does not match.

\b
例 / example: campus-gateway verify --config /etc/campus-gateway
              campus-gateway verify --config DIR --no-video     只查事件 / events only
              campus-gateway verify --package FILE --key 指纹    查证据包 / an evidence package
"""

EXPORT: Final = """\
导出证据包：一个文件，含原始录像、事件、回执、审计和签名，可以自己证明没有被改动。

Make an evidence package: one file with the original video, records, receipts, the audit trail and a
signature, which proves itself (`python3 FILE`). The gateway may run or not.

\b
例 / example: campus-gateway export --config DIR --alarm ID --reason 警方调取 --out 证据.zip
              campus-gateway export --config DIR --camera cam-gate-west \\
                --from 2026-11-21T08:00:00+08:00 --to 2026-11-21T08:20:00+08:00 --out FILE
              campus-gateway export --config DIR --show-key     公钥和指纹 / the public key
"""

ACCESS: Final = """\
发一个接口令牌（只显示一次），或列出、作废。

Make an API token (shown once), or list or revoke tokens. Takes effect at once, without restart.

\b
guard 门卫 · leader 值班长 · installer 施工维保 · platform 平台
admin 管理员 · viewer 只读 · auditor 审计（只读 / read only）
例 / example: campus-gateway token --config DIR --role guard --name 西门门卫室
              campus-gateway token --config DIR --list
"""

VERSION: Final = """\
显示版本。

Show the version.
"""

PROFILE_LIST: Final = """\
列出型号文件：id、中文名、英文名、是否经实物验证、类别、通信方式、资料可信度，以制表符分开。

List profiles: id, Chinese and English title, verified on a real device or not, family, driver, and
how far the source can be trusted: A+ A B C D. C and D need accept_unverified = true.

\b
例 / examples: campus-gateway profile list
               campus-gateway profile list --driver modbus --family gas
"""

PROFILE_CHECK: Final = """\
检查一个型号文件，并试解它自带的全部样例；设备有而网关不读的也会说出来。

Check a profile file and decode all the samples in it. Also says what the device has and we do not
read.

\b
例 / example: campus-gateway profile check config/profiles/alarm_button/maker_model.toml
"""

PROFILE_DECODE: Final = """\
用型号文件试解一条消息或一些寄存器，看网关会怎样理解。

Decode one message, or registers, with a profile and see what the gateway would make of it.

\b
例 / example: campus-gateway profile decode generic/json_button --json '{"pressed": true}'
              campus-gateway profile decode gas/honeywell_midas --json '{"40001": [193]}'
"""

SIMULATE_PRESS: Final = """\
按下一个已配置的设备：像它自己那样用 MQTT 发布，等代理收下。

Press a configured device: publishes over MQTT as the device would, waits until the broker took it.

\b
例 / example: campus-gateway simulate press                        演示中的第一个按钮 / the demo
              campus-gateway simulate press --config DIR --device btn-gate-west --count 3
注意 / note:  对真实配置，警方会收到真的报警 / with a real configuration the police get a real alarm
"""

SIMULATE_MODBUS: Final = """\
让演示里的 Modbus 探测器报警、恢复、失联……和直接输入给它一样。

Have the demo's Modbus detector alarm, restore or fall silent, as if typed at it.

\b
例 / example: campus-gateway simulate modbus alarm
              campus-gateway simulate modbus restore
              campus-gateway simulate modbus silent         之后 well 恢复 / then: well
              campus-gateway simulate modbus help           全部命令 / all commands
"""

SIMULATE_CAMERA: Final = """\
让演示里的摄像机被遮挡、移开、断线、恢复……看网关怎样报告画面故障。

Have one of the demo's cameras covered, uncovered, unplugged or plugged in again.

\b
例 / example: campus-gateway simulate camera cover --camera cam-library
              campus-gateway simulate camera uncover --camera cam-library
"""

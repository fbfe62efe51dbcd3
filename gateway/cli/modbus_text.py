r"""What the commands for commissioning say of themselves: Chinese first, English second.

Owns    the texts and nothing else. In a paragraph that begins with \b the line breaks are kept.
"""

from typing import Final

SCAN: Final = """\
看总线上、网络上有什么，只读。

Look at what is on a bus or on the network. Read only.
"""

SCAN_MODBUS: Final = """\
扫描一条 Modbus 总线：谁应答、有哪些地址、像哪个型号、下一步做什么。只用功能码 1 至 4，从不写。

Scan a Modbus bus: who answers, which addresses there are, which profile could fit, what to try
next. Function codes 1 to 4 only, nothing is ever written. Ctrl-C keeps what was found so far.

\b
例 / examples:
  campus-gateway scan modbus tcp://192.0.2.20
  campus-gateway scan modbus rtu-over-tcp://192.0.2.21:8899 --units 1-10
  campus-gateway scan modbus "serial:/dev/ttyUSB0?baud=9600&parity=N" --serial-guess
  campus-gateway scan modbus "dial-in://0.0.0.0:5020?registration=DTU-0001" --json
\b
注意 / note:
  每找到一台约半分钟；赶时间用 --no-ranges。Half a minute for each unit; --no-ranges is quicker.
  先停网关：很多转换器只有一个连接。少数火灾主机读走一次事件就忘掉它，投入使用前扫描。
  Stop the gateway first: many converters take one connection. A few fire panels forget an
  event once it was read: scan before the plant is in service.
\b
退出码 / exit codes: 0 找到 found, 1 没有找到 nothing found, 2 用法 usage, 130 Ctrl-C
"""

PROBE: Final = """\
读一台设备一次，把原始值、解出的值、测点并排列出，只读。

Read one device and show side by side: its address as the manual numbers it, the raw words, the
value, its point and whether that would be an alarm. 32-bit values are shown in all four word
orders: the plausible one goes into the profile. Read only.

\b
例 / examples:
  campus-gateway probe --config /etc/campus-gateway --device gas-canteen-1
  campus-gateway probe --config DIR --device gas-canteen-1 --every 2
  campus-gateway probe --config DIR --device gas-canteen-1 --neighbours   地址差一吗 / off by one?
  campus-gateway probe --config DIR --device gas-canteen-1 --json
\b
标记 / marks: 好 good · 未知 unknown · 乱码 garbled · 拒绝 refused · 不应答 silent
退出码 / exit codes: 0 全部读到 all read, 1 有读不到的 something was not, 2 用法 usage, 78 配置
"""

IMPORT: Final = """\
把点表（CSV、XLSX）变成 devices.d/ 里的一个文件；不合适的行逐行说明。

Turn a point list (CSV, XLSX) into a file of devices.d/; every row that does not fit is told.

\b
例 / examples:
  campus-gateway import 点表.xlsx --profile fire/gst_gst200_point --link fire --config DIR --dry-run
  campus-gateway import list.csv --profile fire/jbf_point --link fire --config DIR \\
      --map loop=回路号 --map device=编号 --set unit=1 --out building-3
\b
--map 含义=表头 / meaning=header: 型号 address 的键，或 name place type id cameras
--set 键=值 / key=value: 全表相同、表里没有的一列 / the same for all rows, without a column
退出码 / exit codes: 0 全部导入 all rows, 1 有行没有导入 some rows not, 2 用法 usage, 78 配置
"""

"""README.txt of a package: for whoever opens it years later and knows nothing of us. Pure."""

from typing import Final

TEXT: Final = """\
校园安防网关 证据包
====================

内容
  video/摄像机/…mp4     原始录像段，整段、未转码，可直接播放
  stills/…jpg、…json    警情时刻的画面，及其拍摄时间
  events.jsonl          有关的事件记录，每行一条，原始字节；events-chain.jsonl 是它们的哈希链
  deliveries.json       各接收方的回执
  audit.jsonl           谁看过、谁导出过；audit-chain.jsonl 是它们的哈希链
  timeline.json         每台摄像机有录像的时间、缺口及原因、摄像机时钟与网关时钟之差
  manifest.json         清单：每个文件的大小与 SHA-256，由谁、何时、为何导出
  manifest.sig          对清单的 Ed25519 签名；public-key.pem 是公钥
  __main__.py           校验程序，纯 Python 3.8+，不需要安装任何东西

校验
  python3 本文件                       是否未被改动
  python3 本文件 --key 指纹            是否由该网关签署（指纹由学校另行提供）
包内的校验程序与公钥随包而来，只能说明包前后一致。要作为证据使用，请用另行取得的校验程序
（网关上 campus-gateway verify --package 文件 --key 指纹），并与学校提供的指纹核对。
来源不明的包不要直接运行。

超过 4 GiB 的包，Python 3.12 及更早版本不能直接运行：请先取出 __main__.py，再
  python3 __main__.py 本文件


Campus gateway: evidence package
================================

Contents
  video/CAMERA/...mp4   original segments, whole, not transcoded; any player plays them
  stills/...jpg, .json  pictures of the moment of the alarm, and when they were taken
  events.jsonl          the records concerned, one a line, byte for byte; events-chain.jsonl is
                        their hash chain
  deliveries.json       what each receiver answered
  audit.jsonl           who looked and who exported; audit-chain.jsonl is their hash chain
  timeline.json         what was recorded of each camera, gaps and why, camera's clock minus ours
  manifest.json         size and SHA-256 of every file; by whom, when and why it was exported
  manifest.sig          its Ed25519 signature; public-key.pem is the key
  __main__.py           the verifier: plain Python 3.8 or newer, nothing to install

Verify
  python3 THIS_FILE                     is it unchanged
  python3 THIS_FILE --key FINGERPRINT   was it signed by that gateway (the school gives you the
                                        fingerprint by another way)
Verifier and key travel in the package, so they only show that it agrees with itself. To rely on it
use a verifier you had before (on a gateway: campus-gateway verify --package FILE --key FINGERPRINT)
and compare the fingerprint. Do not run a package of unknown origin.

A package of more than 4 GiB cannot be run by Python 3.12 or older: take __main__.py out of it, then
  python3 __main__.py THIS_FILE
"""

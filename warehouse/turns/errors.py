"""What can go wrong with a turn, besides what the way raises."""

from __future__ import annotations

from hub.errors import TransientError


class TurnDied(TransientError):
    """The process that took a feed ended within its turn."""

    code = "HUB-TRN-001"
    en = "the process that took the feed {feed} ended within its turn, {seconds} s after it began"
    zh = "处理数据源 {feed} 的进程在本轮开始 {seconds} 秒后中途结束"
    remedy_en = "nothing is lost: the next turn goes on where it was; if it lasts, the worker's log and the machine's memory say why"
    remedy_zh = "数据未丢失：下一轮从中断处继续；若持续出现，请查看工作进程日志与本机内存"


class TurnTooLong(TransientError):
    """A turn took longer than a turn may, and was ended."""

    code = "HUB-TRN-002"
    en = "a turn of the feed {feed} took longer than the {limit} s that one may take, and was ended"
    zh = "数据源 {feed} 的一轮处理超过 {limit} 秒上限，已被终止"
    remedy_en = "nothing is lost: its DAG's next run goes on without that limit; `hub feed run {feed}` does so now; look whether its source answers"
    remedy_zh = (
        "数据未丢失：其 DAG 的下一次运行不受此限并继续处理；也可立即执行 `hub feed run {feed}`；请检查来源是否响应"
    )

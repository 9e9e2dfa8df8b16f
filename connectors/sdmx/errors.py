"""Errors of SDMX messages and structures. Codes HUB-SRC-080 to 089."""

from __future__ import annotations

from hub.errors import AgencyError, HubError


class StructureUnreadable(HubError):
    """The structure file that a statistical source is checked against can't be used."""

    code = "HUB-SRC-080"
    en = "the structure file {file} can't be used: {reason}"
    zh = "结构文件 {file} 无法使用：{reason}"
    remedy_en = "put the SDMX-ML 2.1 structure message under the place's root and name it in `hub.structure`"
    remedy_zh = "请将 SDMX-ML 2.1 结构消息放入来源地根目录，并在 `hub.structure` 中写明"


class StructureMismatch(AgencyError):
    """A data message's columns are not those of its structure."""

    code = "HUB-SRC-081"
    en = "{file} does not fit its structure {structure}: {reason}"
    zh = "{file} 与结构 {structure} 不符：{reason}"
    remedy_en = "send the data with the agreed structure, or the new structure with it"
    remedy_zh = "请按约定结构发送数据，或随附新结构"


class SdmxInvalid(AgencyError):
    """A file is not the SDMX-CSV message it should be."""

    code = "HUB-SRC-082"
    en = "{file} is not an SDMX-CSV 1.0 or 2.0 message: {reason}"
    zh = "{file} 不是 SDMX-CSV 1.0 或 2.0 消息：{reason}"
    remedy_en = "the first column is DATAFLOW (1.0) or STRUCTURE with STRUCTURE_ID (2.0)"
    remedy_zh = "首列应为 DATAFLOW（1.0）或 STRUCTURE 与 STRUCTURE_ID（2.0）"


class MergePartial(AgencyError):
    """A message asks to merge rows that say only a part of their records."""

    code = "HUB-SRC-084"
    en = "{file} asks to merge (ACTION M or A) rows that leave {columns} as it was: rows {rows}"
    zh = "{file} 要求合并（ACTION 为 M 或 A）的行未给出 {columns}（意为保持原值）：第 {rows} 行"
    remedy_en = "the hub keeps whole records: send them whole with ACTION R, or write NaN or #N/A where a component has no value"
    remedy_zh = "枢纽按整条记录保存：请以 ACTION R 报送整条记录，或在无值处写 NaN 或 #N/A"


class ActionsConflict(AgencyError):
    """One message asks for different actions on one key."""

    code = "HUB-SRC-083"
    en = "{file} asks for different actions on one key: rows {rows}"
    zh = "{file} 对同一主键要求不同操作：第 {rows} 行"
    remedy_en = "send one action for each key in a message; send the second in a message of its own"
    remedy_zh = "一个消息内每个主键只给一种操作；后续操作请另发消息"

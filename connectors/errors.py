"""Errors of the sources: what could not be read, where, and who must act. Codes HUB-SRC-nnn.

001–009 places, secrets, connectors and options · 010–029 files and CSV · 030–039 workbooks · 040–059 SQL ·
060–079 HTTP; 080–089 stand in connectors/sdmx/errors.py.
"""

from __future__ import annotations

from hub.errors import AgencyError, HubError, TransientError


class PlacesUnreadable(HubError):
    """The operator's list of places can't be used."""

    code = "HUB-SRC-001"
    en = "the list of places {path} can't be used: {reason}"
    zh = "来源地清单 {path} 无法使用：{reason}"
    remedy_en = "correct {path}; docs/places.md says what it holds"
    remedy_zh = "请更正 {path}；格式见 docs/places.md"


class PlaceUnknown(HubError):
    """A contract names a place that the operator has not listed."""

    code = "HUB-SRC-002"
    en = "the source {source} of {feed} names the place {place}, which is not listed"
    zh = "{feed} 的来源 {source} 引用了未登记的来源地 {place}"
    remedy_en = "list {place} in the file that HUB_PLACES names, or correct `hub.place` in the contract"
    remedy_zh = "请在 HUB_PLACES 所指文件中登记 {place}，或更正契约中的 `hub.place`"


class PlaceIncomplete(HubError):
    """A place lacks what its connector needs."""

    code = "HUB-SRC-003"
    en = "the place {place} can't serve {connector}: {reason}"
    zh = "来源地 {place} 不能用于 {connector}：{reason}"
    remedy_en = "complete {place} in the list of places; docs/places.md says what {connector} needs"
    remedy_zh = "请在来源地清单中补全 {place}；{connector} 所需内容见 docs/places.md"


class SecretUnreadable(HubError):
    """A secret bound to a place can't be read."""

    code = "HUB-SRC-004"
    en = "the {what} of the place {place} can't be read: {reason}"
    zh = "来源地 {place} 的 {what} 无法读取：{reason}"
    remedy_en = "set the variable or correct the file (mode 0600, owned by the user that runs the hub)"
    remedy_zh = "请设置环境变量，或更正密钥文件（权限 0600，属主为运行用户）"


class ConnectorUnknown(HubError):
    """A contract names a connector that is not on disk."""

    code = "HUB-SRC-005"
    en = "the source {source} names the connector {connector}; on disk are: {known}"
    zh = "来源 {source} 引用的连接器 {connector} 不存在；现有：{known}"
    remedy_en = "correct `hub.connector`, or add connectors/{connector}.py with a class `Connector`"
    remedy_zh = "请更正 `hub.connector`，或新增 connectors/{connector}.py 并定义 `Connector` 类"


class ConnectorBroken(HubError):
    """A connector's module doesn't hold what its name promises."""

    code = "HUB-SRC-006"
    en = "the connector {module} can't be used: {reason}"
    zh = "连接器 {module} 无法使用：{reason}"
    remedy_en = "define `class Connector(base.Connector)` in {module}; see docs/places.md"
    remedy_zh = "请在 {module} 中定义 `class Connector(base.Connector)`，见 docs/places.md"


class OptionsInvalid(HubError):
    """A contract's options don't fit its connector."""

    code = "HUB-SRC-007"
    en = "the options of the source {source} don't fit {connector}: {problems}"
    zh = "来源 {source} 的选项不适用于 {connector}：{problems}"
    remedy_en = "correct the server's `hub.*` properties in the contract"
    remedy_zh = "请更正契约中该 server 的 `hub.*` 属性"


class SourceUnknown(HubError):
    """A source is named that the contract does not have."""

    code = "HUB-SRC-008"
    en = "{feed} has no source {source}; it has {known}"
    zh = "{feed} 没有来源 {source}；现有：{known}"
    remedy_en = "name one of them; `hub source list` shows all"
    remedy_zh = "请使用其中之一；`hub source list` 列出全部"


class FileOutsideRoot(HubError):
    """A path leads out of the place's root, or is no regular file."""

    code = "HUB-SRC-010"
    en = "{file} is not a regular file under the root of the place {place}: {reason}"
    zh = "{file} 不是来源地 {place} 根目录下的普通文件：{reason}"
    remedy_en = "put the file itself (no link) under the root of {place}"
    remedy_zh = "请将文件本身（而非链接）放入 {place} 的根目录"


class FileReplaced(TransientError):
    """A file changed or vanished while it was read."""

    code = "HUB-SRC-011"
    en = "{file} changed while it was read"
    zh = "{file} 在读取期间发生变化"
    remedy_en = "nothing: it is read again once it rests; senders write under a temporary name and rename"
    remedy_zh = "无需处理：文件稳定后将重新读取；报送方应先写临时名再改名"


class FileTooLarge(AgencyError):
    """A file exceeds the operator's bound."""

    code = "HUB-SRC-012"
    en = "{file} has {size} bytes; the bound is {bound}"
    zh = "{file} 有 {size} 字节，上限为 {bound}"
    remedy_en = "send it in parts, or let the operator raise {setting}"
    remedy_zh = "请分批发送，或由运维人员调高 {setting}"


class FileEmpty(AgencyError):
    """A file holds no header."""

    code = "HUB-SRC-013"
    en = "{file} is empty: not even a header row"
    zh = "{file} 为空，没有表头行"
    remedy_en = "send the file with its header row; a period without records is a header alone"
    remedy_zh = "请发送含表头的文件；无记录的期间只发送表头"


class HeaderNotFound(AgencyError):
    """No row looks like the header that the contract describes."""

    code = "HUB-SRC-014"
    en = "{file}: no header row found ({reason})"
    zh = "{file}：找不到表头行（{reason}）"
    remedy_en = "correct the file, or `header_row` and the fields' source names in the contract; it expects {expected}"
    remedy_zh = "请更正文件，或契约中的 `header_row` 与字段来源名；契约期望 {expected}"


class HeaderUnusable(AgencyError):
    """The header has doubled, reserved, overlong or missing names."""

    code = "HUB-SRC-015"
    en = "{file}: the header can't be used: {reason}"
    zh = "{file}：表头无法使用：{reason}"
    remedy_en = "give every column one name of its own that does not begin with an underscore"
    remedy_zh = "请为每一列给出唯一且不以下划线开头的名称"


class TooManyColumns(AgencyError):
    """More columns than any record has."""

    code = "HUB-SRC-016"
    en = "{file} has {columns} columns; the bound is {bound}"
    zh = "{file} 有 {columns} 列，上限为 {bound}"
    remedy_en = "send one record a row; check delimiter and quotes"
    remedy_zh = "请每行一条记录；检查分隔符与引号"


class CsvUnreadable(AgencyError):
    """A text file can't be split into rows."""

    code = "HUB-SRC-017"
    en = "{file}: the rows after line {line} can't be split: {reason}"
    zh = "{file}：第 {line} 行之后无法分行：{reason}"
    remedy_en = "close every quotation mark and end every row with a line break"
    remedy_zh = "请补全引号，并以换行结束每一行"


class WrongEncoding(AgencyError):
    """A file is not in the encoding that the contract declares."""

    code = "HUB-SRC-018"
    en = "{file} is not {encoding}: {reason} (first at byte {offset}, line {line})"
    zh = "{file} 不是 {encoding} 编码：{reason}（首处：字节 {offset}，第 {line} 行）"
    remedy_en = "send the file in {encoding}, or declare its true encoding in the contract (`encoding`)"
    remedy_zh = "请以 {encoding} 发送，或在契约 `encoding` 中声明真实编码"


class ManifestInvalid(AgencyError):
    """A manifest can't be read."""

    code = "HUB-SRC-021"
    en = "the manifest {manifest} of {file} can't be used: {reason}"
    zh = "{file} 的清单文件 {manifest} 无法使用：{reason}"
    remedy_en = 'send {{"file": name, "sha256": hex, "rows": number, "sender": name}} as JSON'
    remedy_zh = '请以 JSON 发送 `{{"file": 文件名, "sha256": 十六进制, "rows": 行数, "sender": 报送方}}`'


class ManifestMismatch(AgencyError):
    """A file is not what its manifest says."""

    code = "HUB-SRC-022"
    en = "{file} has {what} {found}, its manifest {manifest} says {stated}"
    zh = "{file} 的 {what} 为 {found}，清单 {manifest} 中为 {stated}"
    remedy_en = "send file and manifest again, together"
    remedy_zh = "请重新成对发送文件与清单"


class FileNotTaken(HubError):
    """A file was given by hand to a source that reads none."""

    code = "HUB-SRC-023"
    en = "the connector {connector} of the source {source} takes no file: {reason}"
    zh = "来源 {source} 的连接器 {connector} 不接收该文件：{reason}"
    remedy_en = "name a CSV, TSV or XLSX file, or run the feed without a file"
    remedy_zh = "请给出 CSV、TSV 或 XLSX 文件，或不带文件运行"


class WorkbookRefused(AgencyError):
    """A workbook is damaged, locked, or built to harm."""

    code = "HUB-SRC-030"
    en = "the workbook {file} is refused: {reason}"
    zh = "工作簿 {file} 被拒绝：{reason}"
    remedy_en = "save it again as an ordinary .xlsx without password and links to other files"
    remedy_zh = "请另存为普通 .xlsx，不加口令、不含外部链接"


class SheetMissing(AgencyError):
    """No sheet of the workbook is the one the contract names."""

    code = "HUB-SRC-031"
    en = "{file} has no sheet {wanted}; it has {found}"
    zh = "{file} 没有工作表 {wanted}；现有 {found}"
    remedy_en = "name the sheet as agreed, or correct `sheets` in the contract"
    remedy_zh = "请按约定命名工作表，或更正契约中的 `sheets`"


class ParquetRefused(AgencyError):
    """A Parquet file is damaged, or holds what has no text."""

    code = "HUB-SRC-032"
    en = "the Parquet file {file} is refused: {reason}"
    zh = "Parquet 文件 {file} 被拒绝：{reason}"
    remedy_en = "write it again with plain columns: text, numbers, dates, times, truth values"
    remedy_zh = "请以普通列（文本、数字、日期、时间、真假值）重新写出"


class DatabaseUnreachable(TransientError):
    """The source's database doesn't answer, or broke off."""

    code = "HUB-SRC-040"
    en = "the database of the place {place} does not answer: {reason}"
    zh = "来源地 {place} 的数据库无响应：{reason}"
    remedy_en = "it is tried again; if it lasts, call the agency's database people"
    remedy_zh = "枢纽将重试；如持续，请联系该机构数据库人员"


class DatabaseRefused(HubError):
    """The source's database refuses the role, the database or the query."""

    code = "HUB-SRC-041"
    en = "the database of the place {place} refuses: {reason}"
    zh = "来源地 {place} 的数据库拒绝访问：{reason}"
    remedy_en = "correct role, password or database of {place}, or ask the agency for SELECT on {table}"
    remedy_zh = "请更正 {place} 的用户、口令或库名，或请该机构授予 {table} 的查询权"


class TableMissing(AgencyError):
    """The table or columns named by the contract are not there."""

    code = "HUB-SRC-042"
    en = "the place {place} has no {missing} (table {table})"
    zh = "来源地 {place} 没有 {missing}（表 {table}）"
    remedy_en = "agree with the agency; then correct `table` or the fields' `physicalName` in the contract"
    remedy_zh = "请与该机构核对后更正契约中的 `table` 或字段 `physicalName`"


class CursorHasNulls(AgencyError):
    """The column that orders a table has nulls, so that rows would be missed."""

    code = "HUB-SRC-043"
    en = "the column {column} of {table} has nulls: rows would be missed"
    zh = "{table} 的列 {column} 存在空值，会漏数"
    remedy_en = "let the agency fill {column} (NOT NULL), or take another cursor or key"
    remedy_zh = "请该机构补全 {column}（非空），或更换游标或主键字段"


class RoleCanWrite(HubError):
    """The hub's role could write at the source; it must only read."""

    code = "HUB-SRC-044"
    en = "the role of the place {place} may write {table}: {reason}"
    zh = "来源地 {place} 的用户可写 {table}：{reason}"
    remedy_en = "let the agency give a role with SELECT alone; where the hub can't look, the operator states it (`vouched_read_only`)"
    remedy_zh = "请该机构提供仅有 SELECT 权限的用户；无法查验时由运维在来源地写明 `vouched_read_only`"


class ColumnUnsupported(AgencyError):
    """A column holds bytes or objects that have no text form."""

    code = "HUB-SRC-045"
    en = "the column {column} of {table} holds {type}, which is no text"
    zh = "{table} 的列 {column} 为 {type}，无法表示为文本"
    remedy_en = "leave the field out of the contract, or let the agency offer it as text in a view"
    remedy_zh = "请从契约中去掉该字段，或由该机构在视图中以文本提供"


class KeyTied(AgencyError):
    """More rows share one key than a page holds."""

    code = "HUB-SRC-046"
    en = "more than {rows} rows of {table} share one {columns}"
    zh = "{table} 中超过 {rows} 行的 {columns} 相同"
    remedy_en = "agree on a key that tells rows apart; correct the contract's key or cursor"
    remedy_zh = "请约定可区分各行的主键，并更正契约的主键或游标"


class CursorUnusable(HubError):
    """A saved cursor or overlap doesn't fit the cursor's column."""

    code = "HUB-SRC-047"
    en = "the cursor of {source} can't be used: {reason}"
    zh = "{source} 的游标无法使用：{reason}"
    remedy_en = "correct `hub.cursor`, `hub.cursor_overlap` or the field's `hub.forms`, or set the cursor back: `hub feed cursor FEED --source {source} --reset --operator NAME --reason WHY`"
    remedy_zh = "请更正 `hub.cursor`、`hub.cursor_overlap` 或该字段的 `hub.forms`，或回拨游标：`hub feed cursor 数据源 --source {source} --reset --operator 姓名 --reason 理由`"


class HttpUnavailable(TransientError):
    """The API does not answer, or says to come back later."""

    code = "HUB-SRC-060"
    en = "{url} does not answer: {reason}"
    zh = "{url} 无响应：{reason}"
    remedy_en = "it is tried again; if it lasts, call the agency"
    remedy_zh = "枢纽将重试；如持续，请联系该机构"


class HttpRefused(AgencyError):
    """The API answers with an error that trying again won't mend."""

    code = "HUB-SRC-061"
    en = "{url} answers {status}"
    zh = "{url} 返回 {status}"
    remedy_en = "agree path and parameters with the agency; correct the contract's options"
    remedy_zh = "请与该机构核对路径与参数，并更正契约选项"


class HttpElsewhere(AgencyError):
    """The API points to a host that is not listed for its place."""

    code = "HUB-SRC-062"
    en = "{url} points to {target}, which is not the host of the place {place}"
    zh = "{url} 指向 {target}，不是来源地 {place} 的主机"
    remedy_en = "redirects and foreign links are not followed; list the true host as the place's base_url"
    remedy_zh = "不跟随重定向与外站链接；请将真实主机登记为来源地的 base_url"


class ResponseTooLarge(AgencyError):
    """A response exceeds its bound, also after unpacking."""

    code = "HUB-SRC-063"
    en = "the response of {url} exceeds {bound} bytes"
    zh = "{url} 的响应超过 {bound} 字节"
    remedy_en = "ask for smaller pages (`size`), or raise `max_bytes` in the contract"
    remedy_zh = "请减小每页条数（`size`），或在契约中调高 `max_bytes`"


class ResponseInvalid(AgencyError):
    """A response is not the JSON that the contract describes."""

    code = "HUB-SRC-064"
    en = "the response of {url} can't be used: {reason}"
    zh = "{url} 的响应无法使用：{reason}"
    remedy_en = "agree the form with the agency; correct `records` or the fields' source names"
    remedy_zh = "请与该机构核对格式；更正 `records` 或字段来源名"


class PagingLoop(AgencyError):
    """Pages repeat or never end."""

    code = "HUB-SRC-065"
    en = "the pages of {url} don't end: {reason}"
    zh = "{url} 的分页不会结束：{reason}"
    remedy_en = "agree the paging with the agency; correct `paging` in the contract"
    remedy_zh = "请与该机构核对分页方式，并更正契约中的 `paging`"


class CredentialsRefused(HubError):
    """The API or its token service refuses the hub's credentials."""

    code = "HUB-SRC-066"
    en = "{url} refuses the credentials of the place {place} ({reason})"
    zh = "{url} 拒绝来源地 {place} 的凭证（{reason}）"
    remedy_en = "renew the secret of {place}; ask the agency whether the client is still registered"
    remedy_zh = "请更新 {place} 的密钥，并向该机构确认客户端仍有效"

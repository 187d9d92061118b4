"""The Chinese of ``chain.messages.phrases``, by the English. The names in braces are the same on both sides."""

PHRASES = {
    "Then move {folder} to two safe places: these keys are for when another one is lost.": (
        "然后请将 {folder} 转存到两个安全的地方：其中的密钥在其他密钥丢失时使用。"
    ),
    "Give --column or --no-columns, not both.": "--column 与 --no-columns 只能指定其一。",
    "{dataset} is no dataset of {member}.": "{dataset} 不是 {member} 的数据集。",
    "The nodes drop them now. Readers' copies, parcels made from them and backups are not touched.": (
        "各节点现在即予删除。读取方的副本、由这些记录生成的数据包以及备份不受影响。"
    ),
    "{value!r}: name each field of the key once, as FIELD=VALUE.": (
        "{value!r}：主键的每个字段须以 字段=值 的形式各写一次。"
    ),
    "Not searched, since their records have other keys or none: {datasets}": (
        "以下数据集的记录使用其他主键或没有主键，未予查找：{datasets}"
    ),
    "{name} has no governance key: its keys stay as they are.": "{name} 没有治理密钥：其密钥不能更换。",
    "Nothing was changed.": "未作任何更改。",
    "Sign with a new key by --key FILE --member {member}: the genesis file does not list it.": (
        "使用新密钥签名时请加 --key FILE --member {member}：创世文件中没有该密钥。"
    ),
    "key {key} is neither the governance key of {name} nor its successor": (
        "密钥 {key} 既不是 {name} 的治理密钥，也不是其后继密钥"
    ),
    "{name} has no system key {key} that still signs": "{name} 没有仍可签名的系统密钥 {key}",
    "{value!r} is no key of a record: {count} hexadecimal digits": (
        "{value!r} 不是记录的主键：应为 {count} 位十六进制数字"
    ),
    "A key's id has 32 hexadecimal digits; see: blockpool member keys": (
        "密钥编号为 32 位十六进制数字；可用 blockpool member keys 查询"
    ),
    "{dataset} is open: --record, --record-key and --field are for requests.": (
        "{dataset} 为无条件共享：--record、--record-key 和 --field 仅用于申请。"
    ),
    # Audits
    "{count:,} files; a node keeps {files_max} at most": "{count:,} 份文件；一个节点最多保存 {files_max} 份",
    "Auditing blocks": "正在审计区块",
    "Comparing blocks": "正在比对区块",
    "Give either --record or --parcel.": "请给出 --record 或 --parcel 之一。",
    "--proof takes the URL of a node and --dataset.": "--proof 须同时给出节点 URL 和 --dataset。",
    "Verifying the chain": "正在核验链",
    "Fetching reads": "正在获取读取记录",
    "Give --with and --contract together; --parameters only with them.": (
        "--with 与 --contract 须同时给出；--parameters 须与其同用。"
    ),
    "Replaying blocks": "正在重新执行区块",
    "the genesis file names no contract engine": "创世文件未指定合约引擎",
    "{path} is neither a node's home nor a URL": "{path} 既不是节点文件夹，也不是 URL",
    "{data} holds no chain: the node has never run": "{data} 中没有链：该节点从未运行",
    "--tsa and --tsa-certificate go together": "--tsa 与 --tsa-certificate 须同时给出",
    "time-stamping service {url}: status {status}, {count} bytes": "时间戳服务 {url}：状态码 {status}，{count} 字节",
    "time-stamping service {url}: {reason}": "时间戳服务 {url}：{reason}",
    "the time stamp does not verify: {error}": "时间戳核验不通过：{error}",
    # Contracts
    "{file} is not a JSON object": "{file} 不是 JSON 对象",
    "{file} is not UTF-8 text": "{file} 不是 UTF-8 文本",
    "{file} is not JSON: {error}": "{file} 不是 JSON：{error}",
    "{passed} of {count} cases as expected.": "{count} 个用例中 {passed} 个符合预期。",
    "Give either the FILE of a contract, or --library and the name of a ready one.": (
        "请给出合约文件 FILE，或以 --library 给出现成合约的名称。"
    ),
    "The same is deployed already: nothing was changed.": "已部署相同内容，未作改动。",
    "Version {version} is final at height {height}.": "第 {version} 版已在高度 {height} 确定。",
    "printed by {name!r}:\n{printed}": "{name!r} 的输出：\n{printed}",
    "{contract} is not deployed": "{contract} 尚未部署",
    # Catalogue, keys, members
    "{name}: {description}; {records:,} records.": "{name}：{description}；共 {records:,} 条记录。",
    "{count:,} datasets.": "共 {count:,} 个数据集。",
    "The catalogue says the same already: nothing was changed.": "目录内容相同，未作改动。",
    "Reading": "正在读取",
    "Look it over, then: blockpool dataset define OWNER.NAME --schema {out}": (
        "请核对，然后运行：blockpool dataset define OWNER.NAME --schema {out}"
    ),
    "{dataset} is shared conditionally: name the contract that decides with --contract": (
        "{dataset} 为有条件共享：请以 --contract 指定负责裁决的合约"
    ),
    "{dataset_id} is new: give --title-zh and --title-en.": (
        "{dataset_id} 为新数据集：请给出 --title-zh 和 --title-en。"
    ),
    "{folder} holds a member already and is not overwritten": "{folder} 中已有成员，不予覆盖",
    "Wrote {file}. Keep it secret, and keep a copy: nobody can make it again.": (
        "已写入 {file}。请妥善保密并留存副本：遗失后无人能够重新生成。"
    ),
    "Hand in {path}. All *.pem files are secret and stay here.": "请提交 {path}。所有 *.pem 文件均须保密，留在本机。",
    "{path} holds no secret for record keys: {digits} hexadecimal digits": (
        "{path} 中没有记录主键所用的密钥：应为 {digits} 个十六进制字符"
    ),
    "{path} is not there. It opens what is read: give it with --reader-key. It is made with the member's folder, and a "
    "further one by: blockpool keys new --reader FILE": (
        "{path} 不存在。读取的数据须用它解密：请以 --reader-key 给出。它随成员文件夹一并生成，另行生成请运行："
        "blockpool keys new --reader FILE"
    ),
    "a passphrase is needed: set BLOCKPOOL_PASSPHRASE": "须提供口令：请设置 BLOCKPOOL_PASSPHRASE",
    # Networks
    "Wrote {out}. Every operator compares the chain id by another way, and copies it to node/genesis.json.": (
        "已写入 {out}。请各运维方经其他途径核对链标识，并复制为 node/genesis.json。"
    ),
    "{out} exists already and is not overwritten": "{out} 已存在，不予覆盖",
    "its time is {ahead_s:,.0f} s ahead of this machine's clock, and no block can be agreed on before it: set the "
    "clock right that is wrong, and make the file again if it was the one that it was made by": (
        "其时间比本机时钟快 {ahead_s:,.0f} 秒，在此之前无法就任何区块达成一致：请校正有误的时钟；"
        "如制作该文件的时钟有误，请重新制作"
    ),
    "{folder} is not empty: nothing there is overwritten": "{folder} 不为空，其中内容不予覆盖",
    "a network has at least one member, each named once": "网络至少有一个成员，且名称不得重复",
    "{count} validators are ready; {quorum} are needed to order anything.": (
        "已就绪的验证者 {count} 个；达成一致须有 {quorum} 个。"
    ),
    "the node of {member} {what}; the end of {log}:\n{tail}": "{member} 的节点：{what}；{log} 末尾：\n{tail}",
    "{behind} did not reach height {height}": "{behind} 未达到高度 {height}",
    "Interrupted.": "已中断。",
    "Start each node in a terminal of its own:": "请在各自的终端中启动每个节点：",
    "Then: blockpool network status --genesis {file}": "然后运行：blockpool network status --genesis {file}",
    "To go on, run it again with --work {folder}.": "如须继续，请以 --work {folder} 再次运行。",
    # Times and files
    "{path!r} is no regular file: write what comes out of it to one first": (
        "{path!r} 不是普通文件：请先将其内容写入文件"
    ),
    "{value!r} is over already": "{value!r} 已经过去",
    "{value!r} is neither a date like 2026-12-31 nor a time like 2026-12-31T12:00+08:00": (
        "{value!r} 不是 2026-12-31 这样的日期，也不是 2026-12-31T12:00+08:00 这样的时间"
    ),
    "{value!r} has no time zone: end it with Z, or with an offset like +08:00": (
        "{value!r} 没有时区：请以 Z 或 +08:00 这样的时差结尾"
    ),
    "Wrote {out}.": "已写入 {out}。",
    "Wrote {path}.": "已写入 {path}。",
    "a height is a number, or latest": "高度应为数字，或 latest",
    "Anyone can check it: blockpool verify {out} --genesis {genesis_file}": (
        "任何人均可核验：blockpool verify {out} --genesis {genesis_file}"
    ),
    # Erasure and correction
    "The nodes drop it now. Readers' copies, parcels made from it and backups are not touched.": (
        "各节点随即删除。读取者的副本、由其衍生的数据包和备份不受影响。"
    ),
    "Who read it, and what was made of it: blockpool provenance {record}": (
        "读取者及衍生情况，请运行：blockpool provenance {record}"
    ),
    "Say --yes: with --json nobody is asked.": "请加 --yes：使用 --json 时不作询问。",
    "the node gave another transaction than {parcel}": "节点给出的交易不是 {parcel}",
    "{parcel} is no parcel": "{parcel} 不是数据包",
    "{transaction_id} is no parcel": "{transaction_id} 不是数据包",
    "Name records of one parcel; each parcel is erased from by itself.": (
        "请给出同一数据包的记录；不同数据包须分别删除。"
    ),
    "{detail}. Name one parcel, or records of one parcel.": "{detail}。请给出一个数据包，或同一数据包的若干记录。",
    "Nothing was erased.": "未删除任何内容。",
    "{name} holds {count:,} records; a correction is one. Nothing was sent.": (
        "{name} 中有 {count:,} 条记录；更正只能是一条。未发送任何内容。"
    ),
    "Too many have asked for its parcel to be listed here: see blockpool audit reads.": (
        "申请过该数据包的过多，不在此列出：见 blockpool audit reads。"
    ),
    # Requests and reads
    "Request {request} is final at height {height}: {status}.": "申请 {request} 已在高度 {height} 确定：{status}。",
    "Key share of {member} is not used: {detail}. Another validator is asked.": (
        "未采用 {member} 的密钥份额：{detail}。改向其他验证者索取。"
    ),
    "Give either a DATASET, or the --request that is there already.": (
        "请给出数据集 DATASET，或以 --request 给出已有的申请。"
    ),
    "A --request has its terms already: only --parcel goes with it, to read a part.": (
        "--request 所指申请的条件已定：只可另加 --parcel，读取其中一部分。"
    ),
    "--json prints a summary to standard output: give the records a file with --out.": (
        "--json 向标准输出写摘要：请以 --out 指定记录写入的文件。"
    ),
    "--follow writes to standard output, ndjson or csv.": "--follow 写到标准输出，格式为 ndjson 或 csv。",
    "{records:,} records up to block {cursor:,}; waiting for more.": (
        "至区块 {cursor:,} 共 {records:,} 条记录；等待后续。"
    ),
    "{dataset} is open: no request is needed.": "{dataset} 为无条件共享，无须申请。",
    "{dataset} is not open: say with --purpose what it is read for.": (
        "{dataset} 非无条件共享：请以 --purpose 说明用途。"
    ),
    "{detail}. {where}, but their read report is not committed: read them again with --request": (
        "{detail}。{where}，但读取报告尚未上链：请以 --request 再次读取"
    ),
    "The answer is final at height {height}.": "答复已在高度 {height} 确定。",
    "{reason} (request {request})": "{reason}（申请 {request}）",
    "See where it stands: blockpool request show {request}": "查看进展：blockpool request show {request}",
    "Read it: blockpool read --request {request} --out FILE": "读取：blockpool read --request {request} --out FILE",
    "The records are in {file}": "记录已写入 {file}",
    "The records were written": "记录已写出",
    "approval of {names}": "{names} 的批准",
    "approval of {needed} of {names}": "{names} 中 {needed} 方的批准",
    "Waiting up to {wait_s:,.0f} s for the {view} ...": "等待{view}，最长 {wait_s:,.0f} 秒……",
    "the {view} is needed. Once it is there: blockpool read --request {request}": (
        "须有{view}。答复后请运行：blockpool read --request {request}"
    ),
    "--for-me: say who you are, with --member, or with --key and --genesis.": (
        "--for-me：请以 --member，或以 --key 和 --genesis 说明您是谁。"
    ),
    "the node shows {status}, its receipt proves {proven}": "节点显示 {status}，其回执证明的是 {proven}",
    # Submissions
    "{detail}. Nothing was sent.": "{detail}。未发送任何内容。",
    "cut off and sent again, what is sealed would be shared twice: name a folder with --journal, or say --again": (
        "中断后重发，密封的内容会重复共享：请以 --journal 指定文件夹，或加 --again"
    ),
    "{problem_count:,} problems, the first in {detail}": "共 {problem_count:,} 处问题，首处：{detail}",
    "line {line}: {detail} of its parcel": "第 {line} 行：{detail}（所在数据包内）",
    "{detail}. {before}; of its parcel no node keeps any record.": (
        "{detail}。{before}；其所在数据包的记录，各节点均不保存。"
    ),
    "The {confirmed:,} records before it are shared": "此前的 {confirmed:,} 条记录已共享",
    "No record before it is shared": "此前没有记录被共享",
    "Nothing was sent: --dry-run.": "仅作检查（--dry-run），未发送任何内容。",
    "Sharing": "正在共享",
    "Checking": "正在检查",
    "{problem_count:,} problems": "共 {problem_count:,} 处问题",
    "and {count:,} more": "另有 {count:,} 处",
    "the file ({description}) holds no records. Nothing was sent.": "文件（{description}）中没有记录。未发送任何内容。",
    "there is no record {source}: nothing was sent": "没有记录 {source}：未发送任何内容",
    "{detail}. To share all of the file once more: --again": "{detail}。如须将整个文件再共享一次：--again",
    "{out_of_order:,} parcels stand before an earlier one": "{out_of_order:,} 个数据包排在较早的之前",
    "as in the file": "与文件一致",
    "{records:,} records in {parcels:,} parcels": "{records:,} 条记录，{parcels:,} 个数据包",
    "{records:,} records in {parcels:,} parcels, {parcels_found:,} of them by an earlier run": (
        "{records:,} 条记录，{parcels:,} 个数据包，其中 {parcels_found:,} 个由此前的运行提交"
    ),
    "{unchanged:,} unchanged records": "{unchanged:,} 条未变化的记录",
    "{first_height:,} to {last_height:,}": "{first_height:,} 至 {last_height:,}",
    "{seconds:.1f} s, {rate:,.0f} records/s": "{seconds:.1f} 秒，每秒 {rate:,.0f} 条",
    # Files of records
    "line {line}, column {column}: {reason}": "第 {line} 行，{column} 列：{reason}",
    "line {line}: {reason}": "第 {line} 行：{reason}",
    "{shown!r} is not {wanted}": "{shown!r} 不是 {wanted}",
    "{shown!r} is out of bounds: a number has at most {number_digits} digits": (
        "{shown!r} 超出范围：数字最多 {number_digits} 位"
    ),
    "{shown!r} is not {wanted}: {hint}": "{shown!r} 不是 {wanted}：{hint}",
    "integer": "整数",
    "number": "数值",
    "boolean": "布尔值",
    "string": "文本",
    " or ": "或",
    "its leading zeros would be lost": "会丢失前导零",
    "JSON writes no plus sign": "JSON 不写加号",
    "write it without separators": "请去掉分隔符",
    "write the decimal point as .": "小数点请写作 .",
    "it is a number with a fraction or an exponent": "这是带小数或指数的数",
    "write the digits as 0 to 9": "数字请用半角 0 至 9",
    "a sheet has at most {rows_max:,} rows": "一张工作表最多 {rows_max:,} 行",
    "a cell holds at most {cell_length_max:,} characters, none of them a control character": (
        "一个单元格最多 {cell_length_max:,} 个字符，且不得有控制字符"
    ),
    "{part!r} is no format for the type {type_}": "{part!r} 不是类型 {type_} 的格式",
    "{text!r} is neither 是 (yes) nor 否 (no)": "{text!r} 既不是“是”（yes），也不是“否”（no）",
    "a field needs a name": "字段须有名称",
    "{name!r} begins or ends with white space": "{name!r} 首尾有空白",
    "{name!r} is described twice": "{name!r} 重复出现",
    "a key field is a required text or integer": "主键字段须为必填的文本或整数",
    "{type!r} is none of: {words}": "{type!r} 不在以下各项之内：{words}",
    "values cannot be listed for the type {type_}": "类型 {type_} 不能列举取值",
    "{text!r} is no number as JSON writes it": "{text!r} 不是 JSON 写法的数字",
    "the first line names no column {column} ({chinese})": "首行没有“{chinese}”（{column}）列",
    "a file of fields ends in .xlsx, .csv or .json": "字段文件的扩展名为 .xlsx、.csv 或 .json",
    "{formula!r} would be a formula in CSV: write .xlsx or .json": (
        "{formula!r} 在 CSV 中会成为公式：请写成 .xlsx 或 .json"
    ),
    "the file ({description}) holds no records": "文件（{description}）中没有记录",
    "a record is no JSON object: its fields cannot be proposed": "记录不是 JSON 对象，无法提出字段建议",
    "a dataset of more than {fields_max:,} fields cannot be proposed": "字段超过 {fields_max:,} 个，无法提出建议",
    "not JSON ({name} at {pointer})": "不是 JSON（{pointer} 处：{name}）",
    "the top level": "顶层",
    "{kind} is no JSON value: give its text": "{kind} 不是 JSON 值：请给出其文本",
    "it is nested more than {json_depth} deep": "嵌套超过 {json_depth} 层",
    "the key {key!r} is no text": "键 {key!r} 不是文本",
    "{value} is no number of JSON": "{value} 不是 JSON 的数字",
    "a record is not JSON: {error}": "记录不是 JSON：{error}",
    "a date that is not at the beginning of its day": "日期带有时刻",
    "no whole number of 64 bits": "不是 64 位整数",
    "more than {decimal_digits} digits": "超过 {decimal_digits} 位",
    "more than {scale} decimals": "超过 {scale} 位小数",
    "binary64 would change it; say multipleOf in the schema": (
        "存为双精度浮点数会改变其值；请在数据模式中写明 multipleOf"
    ),
    "no date": "不是日期",
    "{kind} has no JSON": "{kind} 无法用 JSON 表示",
    "a time that is out of range": "时间超出范围",
    "no number": "不是数字",
    "not a readable Parquet file ({error})": "不是可读取的 Parquet 文件（{error}）",
    "it is nested too deep": "嵌套过深",
    "its field {name} does not fit the column's type ({error})": "字段 {name} 不合该列的类型（{error}）",
    "the file is damaged from here on ({error})": "文件自此处起损坏（{error}）",
    "{name}: a file of records ends in one of {endings}; if it does not, say --format": (
        "{name}：记录文件的扩展名应为 {endings} 之一；否则请以 --format 说明"
    ),
    "the first line must name every column": "首行须为每一列命名",
    "{cells} cells, but the first line names {columns} columns": "有 {cells} 个单元格，而首行有 {columns} 列",
    "the file must be one JSON array": "文件须为一个 JSON 数组",
    "each column needs a name of its own": "列名不得重复",
    "an element is too large for a record": "该元素过大，不能成为记录",
    "nothing stands between two commas": "两个逗号之间没有内容",
    "no {name} from line {line} on ({reason})": "自第 {line} 行起不是 {name}（{reason}）",
    "a NUL character": "NUL 字符",
    "{reasons}. Name the file's encoding with --encoding": "{reasons}。请以 --encoding 说明文件的编码",
    "not {named}: {reason}": "不是 {named}：{reason}",
    "there is no encoding {named!r}": "没有编码 {named!r}",
    "CSV, {encoding}, {delimiter}": "CSV，{encoding}，以{delimiter}分隔",
    "comma": "逗号",
    "semicolon": "分号",
    "tab": "制表符",
    "Excel, sheet {name}": "Excel，工作表 {name}",
    "Parquet, {rows:,} rows": "Parquet，{rows:,} 行",
    "JSON array, UTF-8": "JSON 数组，UTF-8",
    "a document type, which no workbook has": "含有文档类型声明，工作簿不应有",
    "a duration: enter it as text": "这是时长：请按文本录入",
    "it names too many parts": "所列部件过多",
    "there is no column {letters!r}": "没有列 {letters!r}",
    "name the sheet with --sheet; those that hold rows: {names}": "请以 --sheet 指定工作表；有数据的有：{names}",
    "none": "无",
    "the formula has no result: open the file in Excel and save it": "公式没有结果：请用 Excel 打开文件并保存",
    "the cell holds the error {text}": "单元格为错误值 {text}",
    "{text!r} is no number": "{text!r} 不是数字",
    "{value!r} is shown as a date, and is none": "{value!r} 显示为日期，但不是日期",
    "there is no shared text {index}": "没有共享文本 {index}",
    "not a readable workbook ({error})": "不是可读取的工作簿（{error}）",
    "the workbook is damaged from here on ({error})": "工作簿自此处起损坏（{error}）",
    "Excel keeps {digits} digits of a number, this one has more: enter it as text": (
        "Excel 只保留数字的 {digits} 位，此数超出：请按文本录入"
    ),
    "too many shared texts": "共享文本过多",
    "a text is too long": "文本过长",
    "one of its elements is too large": "其中一个元素过大",
    "its cells are out of order": "单元格次序错乱",
    "row {line} after row {before}": "第 {before} 行之后是第 {line} 行",
    "record {id}: {reason}": "记录 {id}：{reason}",
    "{path}: a file of records ends in {endings}. Name it so, or say --format": (
        "{path}：记录文件的扩展名应为 {endings}。请如此命名，或以 --format 说明"
    ),
    "the first line has no column for its field {names}; use --format ndjson": (
        "首行没有其字段 {names} 的列；请用 --format ndjson"
    ),
    "it is not JSON ({error}); read it with the Python package instead": "不是 JSON（{error}）；请用 Python 包读取",
    "a table holds JSON objects only ({error}); use --format ndjson": (
        "表格只能容纳 JSON 对象（{error}）；请用 --format ndjson"
    ),
    "{error}; use --format ndjson": "{error}；请用 --format ndjson",
}
"""Sentences."""

TABLE_WORDS = {
    "opened by": "开放粒度",
    "datasets": "数据集",
    "erased before": "此前已删除",
    "up to block": "截至区块",
    "changes so far": "已变更次数",
    "decided by": "决定者",
    "key id": "密钥编号",
    "new": "新增",
    "retired": "停用",
    "signs from": "起始区块",
    "use": "用途",
    "not opened": "未打开",
    "algorithm": "算法",
    "answer": "答复",
    "API": "接口",
    "asked": "申请时间",
    "asked at": "申请时间",
    "at": "时间",
    "at height": "高度",
    "block": "区块",
    "blocks": "区块",
    "by": "交易",
    "by contracts": "经合约",
    "by its peers": "其他节点所见",
    "case": "案件",
    "case number": "案件编号",
    "chain id": "链标识",
    "checkpoint": "检查点",
    "clock": "时钟",
    "column": "列",
    "committed": "已上链",
    "compared": "已比对",
    "conclusion": "结论",
    "content": "内容",
    "contract": "合约",
    "contract hash": "合约哈希",
    "contracts": "合约",
    "CORRECTED": "已更正",
    "corrected": "被更正",
    "cosigned": "联署",
    "cursor": "游标",
    "dataset": "数据集",
    "decided": "裁决",
    "difference": "差异",
    "erased": "已删除",
    "file": "文件",
    "files": "文件",
    "first": "甲",
    "first record": "首条记录",
    "folder": "文件夹",
    "for": "用途",
    "fuel": "计量",
    "fuel to load": "装载计量",
    "hash": "哈希",
    "hash only": "仅哈希",
    "height": "高度",
    "history root": "历史根",
    "inputs hash": "输入哈希",
    "key": "主键",
    "key_id": "密钥标识",
    "kind": "类别",
    "left out": "未列入",
    "legal basis": "法律依据",
    "line": "行",
    "link": "连接",
    "member": "成员",
    "member_file": "成员文件",
    "MiB": "MiB",
    "name": "名称",
    "network": "网络",
    "no newer one": "无更新的",
    "node": "节点",
    "node home": "节点文件夹",
    "note": "备注",
    "now": "现状",
    "of": "区块时间",
    "of block": "所在区块",
    "only fields": "仅限字段",
    "order": "次序",
    "outcome": "结果",
    "owner": "所有者",
    "parcels": "数据包",
    "parent": "上一区块",
    "part": "部分",
    "peer": "对端",
    "person": "经办人",
    "present record": "现行记录",
    "previous": "上一条",
    "primary": "主节点",
    "problem": "问题",
    "proposer": "提议者",
    "public_key": "公钥",
    "purpose": "用途",
    "read": "已读",
    "read_as": "识别为",
    "read_reports": "读取报告",
    "reader": "读取者",
    "reason": "理由",
    "record": "记录",
    "records": "记录",
    "replayed to": "重放至",
    "report": "报告",
    "request": "申请",
    "results root": "结果根",
    "root": "根",
    "round trip": "往返",
    "second": "乙",
    "sharing": "共享类型",
    "signed two": "签署了两个",
    "signing key": "签名密钥",
    "size": "大小",
    "source": "来源",
    "state": "状态",
    "state root": "状态根",
    "status": "状态",
    "time": "时间",
    "title": "名称",
    "took": "用时",
    "transaction": "交易",
    "transactions": "交易",
    "transactions root": "交易根",
    "type": "类型",
    "under the proposal": "按拟议规则",
    "until": "截止",
    "validators": "验证者",
    "verdict": "裁决",
    "verdicts": "裁决",
    "verified": "已核验",
    "verified to": "核验至",
    "version": "版本",
    "versions": "版本数",
    "view": "视图",
    "votes": "票数",
    "waiting": "等待",
    "wanted": "所申请的",
    "what differs": "不同之处",
    "what it decides": "裁决内容",
    "when": "时间",
    "who has read it": "读取者",
}
"""Heads of columns, and names of facts."""

//! Owns the Chinese words for what the TOML parser finds wrong. Does not own the finding (see `folder`).

/// The parser's `message` in Chinese; a part that is unknown stays as it is.
pub(crate) fn in_chinese(message: &str) -> String {
    let (found, expected) = match message.split_once(", expected ") {
        Some((found, expected)) => (found, Some(expected)),
        None => (message, None),
    };
    let found = word(&FOUND, found);
    match expected {
        Some(expected) => {
            let expected: Vec<&str> = expected.split(", ").map(|item| word(&EXPECTED, item)).collect();
            format!("{found}, 应为 {}", expected.join(" 或 "))
        }
        None => found.to_owned(),
    }
}

fn word<'a>(words: &[(&str, &'static str)], word: &'a str) -> &'a str {
    words.iter().find(|(en, _)| *en == word).map_or(word, |(_, zh)| zh)
}

const FOUND: [(&str, &str); 55] = [
    ("`_` may only go between digits", "`_` 只能写在数字之间"),
    ("cannot recurse further; max recursion depth met", "嵌套太深"),
    ("carriage return must be followed by newline", "回车符后面必须是换行"),
    ("duplicate key", "这一项写了两次"),
    ("extra `=`", "多了一个 `=`"),
    ("extra assignment between key-value pairs", "多了一个 `=`"),
    ("extra comma in array", "数组里多了一个逗号"),
    ("extra comma in inline table", "花括号里多了一个逗号"),
    ("integers with a radix cannot be signed", "带进制前缀的整数不能有正负号"),
    ("invalid basic string", "双引号字符串写得不对"),
    ("invalid binary number", "二进制数写得不对"),
    ("invalid boolean", "应写 true 或 false"),
    ("invalid comment character", "注释里有不能用的字符"),
    ("invalid date-time", "日期时间写得不对"),
    ("invalid exponent", "小数的指数写得不对"),
    ("invalid float", "小数写得不对"),
    ("invalid fraction", "小数部分写得不对"),
    ("invalid hexadecimal number", "十六进制数写得不对"),
    ("invalid inline table element", "花括号里的内容写得不对"),
    ("invalid integer number", "整数写得不对"),
    ("invalid key-value pair", "应写成 键 = 值"),
    ("invalid literal string", "单引号字符串写得不对"),
    ("invalid mantissa", "小数写得不对"),
    ("invalid multi-line basic string", "多行双引号字符串写得不对"),
    ("invalid multi-line literal string", "多行单引号字符串写得不对"),
    ("invalid octal number", "八进制数写得不对"),
    ("invalid string", "字符串写得不对"),
    ("invalid unquoted key", "键里有不能用的字符 (中文等要加引号)"),
    ("invalid value", "值写得不对"),
    ("key with no value", "键后面没有 `=` 和值"),
    ("keys cannot be multi-line basic strings", "键不能是多行字符串"),
    ("keys cannot be multi-line literal strings", "键不能是多行字符串"),
    ("missing assignment between key-value pairs", "键和值之间缺 `=`"),
    ("missing comma between array elements", "数组各项之间缺逗号"),
    ("missing comma between key-value pairs", "花括号里各项之间缺逗号"),
    ("missing escaped value", "反斜杠后面缺内容 (Windows 路径请用单引号)"),
    ("missing key for inline table element", "花括号里缺键"),
    ("missing opening quote", "缺前引号"),
    ("missing value", "缺值"),
    ("missing value for key", "缺值"),
    ("radix must be lowercase", "进制前缀要小写"),
    ("recursion limit", "嵌套太深"),
    ("redundant integer number prefix", "多余的进制前缀"),
    ("redundant numeric sign", "多余的正负号"),
    ("string values must be quoted", "缺值, 或字符串没有加引号"),
    ("too few unicode value digits", "\\u 后面的位数不够"),
    ("unclosed array", "数组缺 `]`"),
    ("unclosed array table", "表头缺 `]]`"),
    ("unclosed inline table", "缺 `}`"),
    ("unclosed table", "表头缺 `]`"),
    ("unexpected `=` in array", "数组里不能有 `=`"),
    ("unexpected content between comment and newline", "这里不能再写内容"),
    ("unexpected key or value", "这里不能再写内容"),
    ("unexpected leading zero", "数字不能以 0 开头 (号码请加引号)"),
    ("unquoted keys cannot be empty", "缺键"),
];

const EXPECTED: [(&str, &str); 11] = [
    ("newline", "换行"),
    ("key", "键"),
    ("value", "值"),
    ("digits", "数字"),
    ("characters", "字符"),
    ("letters", "字母"),
    ("numbers", "数字"),
    ("basic string", "双引号字符串"),
    ("literal string", "单引号字符串"),
    ("printable characters", "可见字符"),
    ("unicode hexadecimal value", "十六进制的 Unicode 编号"),
];

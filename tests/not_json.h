// Lines of which a JSON parser takes none, one a fault.
#pragma once
#include <string>
#include <vector>

namespace assay {

inline const std::vector<std::string> kNotJson = {
    "not json",
    "{",
    "{\"event\":{\"type\":\"a\"}",
    "{\"event\":{\"type\":\"a\"}}}",
    "{} {}",
    "{\"a\":1,}",
    "[1,2",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":-Infinity}",
    "-Infinity",
    "{\"a\":01}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":+1}",
    "{\"a\":tru}",
    "{\"a\":'b'}",
    "{a:1}",
    "{\"a\":18446744073709551616}",
    "{\"a\":-9223372036854775809}",
    "{\"a\":123456789012345678901234567890}",
    "{\"a\":1e400}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\udc00\\ud800\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12g4\"}",
    "{\"a\":\"\t\"}",
    "{\"a\":\"\xff\xfe\"}",
    "{\"a\":\"\xc0\xaf\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "\xef\xbb\xbf{\"event\":{\"type\":\"a\"}}",
    std::string("\0", 1),
    std::string("{\"a\":\"\0\"}", 9),
    std::string("{\0\"\0e\0", 6),
    std::string(100'000, '['),
    std::string(100'000, '{'),
    "{\"event\":{\"type\":\"GpuOpCompleted\",\"data\":{\"op_name\":\"a\",\"duration_us\":5,\"x\":[1,,2]}}}",
    "{\"event\":{\"type\":\"a\",\"data\":{\"x\":{\"y\":[[[tru]]]}}}}",
    "{\"event\":{\"type\":\"a\",\"data\":{\"x\":\"\\q\"}}}",
    "{\"event\":{\"type\":\"a\",\"data\":{\"x\":1e}}}",
};

}  // namespace assay

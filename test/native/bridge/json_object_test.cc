// What the libraries read and write as JSON.
#include "api/json_object.h"

#include <gtest/gtest.h>

namespace polyraft {
namespace {

TEST(JsonObject, KeepsOrderAndKinds) {
  const std::string text =
      R"({"z":"a\"\u00e9\n","a":18446744073709551615,"half":-0.5,"yes":true,"no":false,"list":[1,"x"],"none":null})";
  const JsonObject object = JsonObject::parse(text).value();
  EXPECT_EQ(object.members().size(), 7u);
  EXPECT_EQ(object.members()[0].key, "z");
  EXPECT_EQ(object.text("z"), "a\"\xc3\xa9\n");
  EXPECT_EQ(object.whole("a"), UINT64_MAX);
  EXPECT_EQ(object.number("half"), -0.5);
  EXPECT_TRUE(object.is_true("yes"));
  EXPECT_FALSE(object.is_true("no"));
  EXPECT_EQ(object.members()[5].value, "null");
  const JsonObject again = JsonObject::parse(object.dump()).value();
  EXPECT_EQ(again.dump(), object.dump());
  EXPECT_EQ(again.whole("a"), UINT64_MAX);
}

TEST(JsonObject, GivesNothingForAnotherKind) {
  const JsonObject object = JsonObject::parse(R"({"text":"7","number":-7,"part":1.5,"big":1e300})").value();
  EXPECT_FALSE(object.whole("text"));
  EXPECT_FALSE(object.whole("number"));
  EXPECT_FALSE(object.whole("part"));
  EXPECT_FALSE(object.whole("big"));
  EXPECT_FALSE(object.text("number"));
  EXPECT_FALSE(object.number("text"));
  EXPECT_FALSE(object.has("missing"));
  EXPECT_FALSE(object.text("missing"));
}

TEST(JsonObject, SaysWhatIsWrong) {
  std::string why;
  EXPECT_FALSE(JsonObject::parse(R"([1,{"a":2}])", &why));
  EXPECT_EQ(why, "is not a JSON object");
  EXPECT_FALSE(JsonObject::parse("{\"a\":", &why));
  EXPECT_EQ(why.rfind("is not JSON: ", 0), 0u) << why;
  EXPECT_FALSE(JsonObject::parse(""));
  EXPECT_FALSE(JsonObject::parse("{\"a\":\"\xff\"}"));
}

TEST(JsonObject, ReplacesAndAppends) {
  JsonObject object;
  EXPECT_EQ(object.dump(), "{}");
  object.set_text("a", "1");
  object.set_whole("b", 2);
  object.set_truth("a", true);
  JsonObject outer;
  outer.set_object("inner", object);
  EXPECT_EQ(outer.dump(), R"({"inner":{"a":true,"b":2}})");
}

// As a configuration may be, by mistake or to do harm.
TEST(JsonObject, TakesDepthThatNoStackHolds) {
  constexpr size_t kDepth = 1u << 20;
  const std::string text = "{\"a\":" + std::string(kDepth, '[') + std::string(kDepth, ']') + ",\"b\":1}";
  const JsonObject object = JsonObject::parse(text).value();
  EXPECT_TRUE(object.has("a"));
  EXPECT_EQ(object.whole("b"), 1u);
  EXPECT_EQ(object.dump(), R"({"a":null,"b":1})");
}

// A path, say, may be any bytes.
TEST(JsonObject, WritesTextThatIsNoUtf8) {
  JsonObject object;
  object.set_text("path", "/tmp/\xff");
  EXPECT_EQ(JsonObject::parse(object.dump()).value().text("path"), "/tmp/\xef\xbf\xbd");
}

}  // namespace
}  // namespace polyraft

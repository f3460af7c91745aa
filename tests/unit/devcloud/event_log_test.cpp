// SPDX-License-Identifier: Apache-2.0
#include "devcloud/event_log.h"

#include "unit/devcloud/support.h"

#include <fstream>
#include <sys/stat.h>

namespace redoubt::devcloud::tests {
namespace {

class EventLogFile : public ::testing::Test {
  protected:
    EventLog open() { return EventLog::open(path_).value(); }
    static Json recent(const EventLog& events, std::size_t limit = EventLog::kRemembered) {
        return Json::parse(events.recent(limit));
    }
    static Event numbered(std::size_t number) {
        Event event;
        event.time = 1'700'000'000'000;
        event.name = "Decrypt";
        event.request_id = std::to_string(number);
        return event;
    }
    std::vector<std::string> lines() const {
        std::ifstream in(path_);
        std::vector<std::string> out;
        for (std::string line; std::getline(in, line);)
            out.push_back(line);
        return out;
    }

    TemporaryFolder folder_;
    std::string path_ = folder_.path() + "/events.jsonl";
};

TEST_F(EventLogFile, writes_one_object_a_line_with_every_member) {
    auto events = open();
    Event event;
    event.time = 1'767'323'045'678;
    event.name = "Decrypt";
    event.request_id = "id";
    event.principal = "arn:aws:iam::000000000000:root";
    event.key_arn = "arn:aws:kms:us-east-1:000000000000:key/1";
    event.encryption_context = {{"redoubt:vault", "v1"}, {"a", ""}};
    event.module_id = "i-0-enc0";
    event.pcr0 = "aa";
    event.pcr16 = "bb";
    event.error_code = "AccessDeniedException";
    events.append(event);
    const std::string expected =
        R"({"eventTime":"2026-01-02T03:04:05Z","eventName":"Decrypt","requestId":"id",)"
        R"("principal":"arn:aws:iam::000000000000:root","keyArn":"arn:aws:kms:us-east-1:000000000000:key/1",)"
        R"("encryptionContext":{"a":"","redoubt:vault":"v1"},"moduleId":"i-0-enc0","pcr0":"aa","pcr16":"bb",)"
        R"("errorCode":"AccessDeniedException"})";
    EXPECT_EQ(lines(), std::vector<std::string>{expected});
    EXPECT_EQ(events.recent(1), "[" + expected + "]");
}

TEST_F(EventLogFile, writes_null_for_what_is_not_known) {
    auto events = open();
    Event event;
    event.name = "Decrypt";
    events.append(event);
    const auto told = recent(events)[0];
    for (const char* member : {"requestId", "principal", "keyArn", "moduleId", "pcr0", "pcr16", "errorCode"})
        EXPECT_EQ(told.value(member, Json("absent")), nullptr) << member;
    EXPECT_EQ(told["encryptionContext"], Json::object());
    EXPECT_EQ(told["eventTime"], "1970-01-01T00:00:00Z");
}

TEST_F(EventLogFile, keeps_a_line_a_line_whatever_is_in_it) {
    auto events = open();
    auto event = numbered(1);
    event.name = "a\"b\\c\nd\r\x01";
    event.encryption_context = {{"line\nbreak", "\xff\xfe"}};
    events.append(event);
    ASSERT_EQ(lines().size(), 1u);
    const auto told = Json::parse(lines()[0]);
    EXPECT_EQ(told["eventName"], event.name);
    EXPECT_TRUE(told["encryptionContext"].contains("line\nbreak"));
}

TEST_F(EventLogFile, tells_the_newest_oldest_first) {
    auto events = open();
    EXPECT_EQ(events.recent(10), "[]");
    for (std::size_t i = 0; i < 5; ++i)
        events.append(numbered(i));
    const auto told = recent(events, 2);
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0]["requestId"], "3");
    EXPECT_EQ(told[1]["requestId"], "4");
    EXPECT_EQ(recent(events, 100).size(), 5u);
    EXPECT_EQ(events.recent(0), "[]");
}

TEST_F(EventLogFile, remembers_a_thousand_and_writes_all) {
    {
        auto events = open();
        for (std::size_t i = 0; i < EventLog::kRemembered + 5; ++i)
            events.append(numbered(i));
        const auto told = recent(events, 2 * EventLog::kRemembered);
        ASSERT_EQ(told.size(), EventLog::kRemembered);
        EXPECT_EQ(told[0]["requestId"], "5");
    }
    EXPECT_EQ(lines().size(), EventLog::kRemembered + 5);
    const auto told = recent(open(), 2 * EventLog::kRemembered);
    ASSERT_EQ(told.size(), EventLog::kRemembered);
    EXPECT_EQ(told[0]["requestId"], "5");
    EXPECT_EQ(told.back()["requestId"], "1004");
}

TEST_F(EventLogFile, appends_to_what_is_there) {
    open().append(numbered(1));
    open().append(numbered(2));
    const auto told = recent(open());
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0]["requestId"], "1");
    EXPECT_EQ(told[1]["requestId"], "2");
}

TEST_F(EventLogFile, loses_nothing_but_the_line_that_a_crash_cut_short) {
    open().append(numbered(1));
    std::ofstream(path_, std::ios::app) << R"({"eventTime":"2026-01-02T03:0)";
    {
        auto events = open();
        EXPECT_EQ(recent(events).size(), 1u);
        events.append(numbered(2));
        events.append(numbered(3));
        EXPECT_EQ(recent(events).size(), 3u);
    }
    const auto told = recent(open());
    ASSERT_EQ(told.size(), 3u) << "the line after the torn one stands by itself";
    EXPECT_EQ(told[1]["requestId"], "2");
    EXPECT_EQ(told[2]["requestId"], "3");
}

TEST_F(EventLogFile, is_for_its_owner_only) {
    open().append(numbered(1));
    struct stat info {};
    ASSERT_EQ(::stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(EventLogFile, must_be_writable) {
    const auto nowhere = EventLog::open(folder_.path() + "/no-such-folder/events.jsonl");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, Code::Io);
    EXPECT_FALSE(EventLog::open(folder_.path())) << "a folder";
}

} // namespace
} // namespace redoubt::devcloud::tests

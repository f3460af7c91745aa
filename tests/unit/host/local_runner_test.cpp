// SPDX-License-Identifier: Apache-2.0
#include "host/log_limit.h"
#include "host/vm_runner.h"

#include "local_runner_support.h"

namespace redoubt::host::tests {

namespace {

TEST_F(ProcessRunnerTest, starts_the_program_with_its_socket_and_the_other_arguments) {
    make("echo \"$@\"; exec sleep 1000");
    const auto started = start(16);
    ASSERT_TRUE(started) << started.error().describe();
    EXPECT_EQ(started->name, "e-16");
    EXPECT_EQ(started->endpoint.text(), "unix:" + folder.file("e-16.sock"));
    EXPECT_EQ(started->pcr0, *ImageFile(folder.file("program"), ImageFile::Kind::Program).pcr0());
    EXPECT_EQ(started->pcr0.size(), 96u);
    EXPECT_TRUE(run_until(loop, [&] {
        return folder.read("e-16.log") == "--listen unix:" + folder.file("e-16.sock") + " --more things\n";
    }));
    std::optional<std::string> console;
    runner->console(started->id, [&](const Result<std::string>& text) { console = text.value(); });
    EXPECT_TRUE(run_until(loop, [&] { return console.has_value(); }));
    EXPECT_EQ(*console, folder.read("e-16.log"));
}

TEST_F(ProcessRunnerTest, answers_with_what_runs_in_the_slot_and_lists_it) {
    make("exec sleep 1000");
    const auto first = start(16);
    const auto second = start(16);
    const auto other = start(17);
    ASSERT_TRUE(first && second && other);
    EXPECT_EQ(first->id, second->id);
    EXPECT_NE(first->id, other->id);
    const auto running = list();
    ASSERT_EQ(running.size(), 2u);
    EXPECT_EQ(running[1].id, other->id);
    EXPECT_FALSE(running[1].ending);
}

TEST_F(ProcessRunnerTest, tells_of_an_end_that_nobody_asked_for_and_of_no_other) {
    make("exec sleep 1000");
    const auto first = start(16);
    const auto second = start(17);
    ASSERT_TRUE(first && second);
    kill(pid_of(*first), SIGKILL);
    EXPECT_TRUE(run_until(loop, [&] { return !ends.empty(); }));
    EXPECT_EQ(ends, (std::vector<std::string>{first->id + ": program was ended by signal 9"}));
    EXPECT_TRUE(stop(second->id, StopHow::Orderly));
    EXPECT_TRUE(stop(second->id, StopHow::Orderly)); // gone before: a success
    EXPECT_EQ(ends.size(), 1u);
    EXPECT_TRUE(start(16));
}

TEST_F(ProcessRunnerTest, kills_what_does_not_end_in_time_or_has_to_end_at_once) {
    make("trap '' TERM; while :; do sleep 0.05; done");
    auto one = start(16);
    ASSERT_TRUE(one);
    EXPECT_TRUE(stop(one->id, StopHow::Orderly));
    EXPECT_TRUE(ends_within(pid_of(*one), 0));
    one = start(16);
    ASSERT_TRUE(one);
    kill(pid_of(*one), SIGSTOP);
    EXPECT_TRUE(stop(one->id, StopHow::AtOnce));
    EXPECT_TRUE(ends_within(pid_of(*one), 0));
}

TEST_F(ProcessRunnerTest, keeps_the_log_of_a_program_that_writes_much_short) {
    make("cd '" + folder.path() +
         "'; head -c 3145728 /dev/zero; echo last; until [ -e go ]; do sleep 0.05; done; echo more; exec "
         "sleep 1000");
    const auto one = start(16);
    ASSERT_TRUE(one);
    const auto size = [&](const char* name) {
        std::error_code error;
        const auto out = std::filesystem::file_size(folder.file(name), error);
        return error ? std::uintmax_t{0} : out;
    };
    ASSERT_TRUE(run_until(loop, [&] { return folder.read("e-16.log.1").ends_with("last\n"); }));
    EXPECT_EQ(size("e-16.log.1"), kLogLimit);
    EXPECT_EQ(size("e-16.log"), 0u);
    // The console's tail goes on from the file before, and the program at the beginning of the new one.
    folder.write("go", "");
    ASSERT_TRUE(run_until(loop, [&] { return size("e-16.log") != 0; }));
    EXPECT_EQ(folder.read("e-16.log"), "more\n");
    std::optional<std::string> console;
    runner->console(one->id, [&](const Result<std::string>& text) { console = text.value(); });
    EXPECT_TRUE(run_until(loop, [&] { return console.has_value(); }));
    EXPECT_TRUE(console->ends_with("last\nmore\n"));
    EXPECT_EQ(console->size(), LocalRunner::kConsoleTail);
}

TEST_F(ProcessRunnerTest, keeps_the_log_short_of_a_program_that_ends_again_and_again) {
    make("head -c 400000 /dev/zero; exit 1");
    for (int i = 0; i < 8; ++i) {
        const std::size_t before = ends.size();
        ASSERT_TRUE(start(16));
        ASSERT_TRUE(run_until(loop, [&] { return ends.size() > before; }));
        EXPECT_LE(folder.read("e-16.log").size(), kLogLimit + 400'000) << i;
    }
    EXPECT_EQ(folder.read("e-16.log.1").size(), kLogLimit);
}

TEST_F(ProcessRunnerTest, says_that_a_program_is_not_there) {
    make("exit 0");
    ASSERT_EQ(unlink(folder.file("program").c_str()), 0);
    EXPECT_FALSE(start(16));
}

TEST(ImageFile, measures_anew_only_what_became_another_file) {
    Folder folder;
    folder.write("image", "one");
    ImageFile image(folder.file("image"), ImageFile::Kind::Program);
    EXPECT_FALSE(image.unchanged());
    const auto one = image.pcr0();
    ASSERT_TRUE(one);
    EXPECT_TRUE(image.unchanged());
    folder.write("new", "two");
    ASSERT_EQ(rename(folder.file("new").c_str(), folder.file("image").c_str()), 0);
    EXPECT_FALSE(image.unchanged());
    const auto two = image.pcr0();
    ASSERT_TRUE(two);
    EXPECT_NE(*one, *two);
    ASSERT_EQ(unlink(folder.file("image").c_str()), 0);
    EXPECT_FALSE(image.pcr0());
    folder.write("image", "");
    EXPECT_FALSE(image.pcr0());
    EXPECT_FALSE(ImageFile(folder.path(), ImageFile::Kind::Program).pcr0());
}

TEST(ImageFile, takes_no_file_for_an_image_that_is_none) {
    Folder folder;
    folder.write("image", std::string(1000, 'x'));
    const auto pcr0 = ImageFile(folder.file("image"), ImageFile::Kind::Eif).pcr0();
    ASSERT_FALSE(pcr0);
    EXPECT_EQ(pcr0.error().code, Code::ImageInvalid);
}

TEST(VmRunner, gives_QEMU_the_devices_sockets_and_sections_of_its_folder) {
    VmRunnerOptions options;
    options.qemu = "/q/qemu";
    options.memory_mib = 128;
    options.cpus = 2;
    const auto arguments = qemu_arguments(options, "/run/r-16", "console=ttyS0 quiet");
    EXPECT_EQ(arguments[0], "/q/qemu");
    const auto after = [&](const std::string& name, std::size_t nth = 0) {
        for (std::size_t i = 0; i + 1 < arguments.size(); ++i)
            if (arguments[i] == name && nth-- == 0)
                return arguments[i + 1];
        return std::string("none");
    };
    EXPECT_EQ(after("-object"), "memory-backend-memfd,id=m,size=128M");
    EXPECT_EQ(after("-m"), "128M");
    EXPECT_EQ(after("-smp"), "2");
    EXPECT_EQ(after("-kernel"), "/run/r-16/kernel");
    EXPECT_EQ(after("-initrd"), "/run/r-16/initrd");
    EXPECT_EQ(after("-append"), "console=ttyS0 quiet"); // one argument, however many words
    EXPECT_EQ(after("-chardev", 0), "socket,id=c,path=/run/r-16/vsock-device.sock");
    EXPECT_EQ(after("-chardev", 1), "socket,id=n,path=/run/r-16/nsm-device.sock");
    EXPECT_EQ(after("-serial"), "chardev:s");
    EXPECT_EQ(after("-chardev", 2), "file,id=s,append=on,path=/run/r-16/console.log");
}

} // namespace

} // namespace redoubt::host::tests

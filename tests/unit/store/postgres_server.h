// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server of the tests' own, on a unix socket in a folder of its own: Debian's, as it is
// installed.
#pragma once

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace redoubt::store::tests {

class PostgresServer {
  public:
    // Empty: no server is installed.
    static std::filesystem::path programs() {
        std::filesystem::path best;
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error))
            if (std::filesystem::exists(entry.path() / "bin/postgres") && entry.path() > best)
                best = entry.path();
        return best.empty() ? best : best / "bin";
    }

    // Made when it is first asked for, and ended with the process.
    static PostgresServer& instance() {
        static PostgresServer server;
        return server;
    }

    bool running() const { return pid_ > 0; }

    // An address with a schema, and so tables, of its own.
    std::string fresh_target() {
        const std::string schema = "t" + std::to_string(++schemas_);
        execute("CREATE SCHEMA " + schema);
        return target(schema);
    }
    std::string target(const std::string& schema) const {
        return "postgresql://postgres@/postgres?host=" + folder_ + "&options=-c%20search_path%3D" + schema;
    }
    void execute(const std::string& sql) {
        PGconn* const connection = PQconnectdb(target("public").c_str());
        PGresult* const result = PQexec(connection, sql.c_str());
        EXPECT_EQ(PQresultStatus(result), PGRES_COMMAND_OK) << PQerrorMessage(connection) << sql;
        PQclear(result);
        PQfinish(connection);
    }

    // kill -9 of the server's first process: the others end with it.
    void kill_and_wait() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

    // True when it answers. Right after a kill the old server's processes may still hold its memory.
    bool start() {
        for (int attempt = 0; attempt < 100; ++attempt) {
            if (pid_ <= 0)
                pid_ = spawn({"postgres", "-D", folder_ + "/data", "-k", folder_, "-c",
                              "listen_addresses=", "-c", "max_connections=40", "-c", "shared_buffers=16MB"});
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            if (waitpid(pid_, nullptr, WNOHANG) == pid_)
                pid_ = -1;
            else if (PQping(target("public").c_str()) == PQPING_OK)
                return true;
        }
        return false;
    }

  private:
    PostgresServer() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-pg-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr)
            return;
        folder_ = pattern;
        if (geteuid() == 0) { // the server refuses to run as root
            const passwd* const user = getpwnam("postgres");
            if (user == nullptr || chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
                return;
            uid_ = user->pw_uid;
            gid_ = user->pw_gid;
        }
        const pid_t making = spawn({"initdb", "--no-sync", "--auth=trust", "--username=postgres",
                                    "--no-locale", "--encoding=UTF8", "-D", folder_ + "/data"});
        int status = 1;
        waitpid(making, &status, 0);
        if (status == 0)
            start();
    }
    ~PostgresServer() {
        if (pid_ > 0) {
            kill(pid_, SIGQUIT); // at once, without a checkpoint
            waitpid(pid_, nullptr, 0);
        }
        std::error_code error;
        if (!folder_.empty())
            std::filesystem::remove_all(folder_, error);
    }

    pid_t spawn(std::vector<std::string> arguments) const {
        const std::string program = (programs() / arguments[0]).string();
        std::vector<char*> argv;
        for (auto& argument : arguments)
            argv.push_back(argument.data());
        argv.push_back(nullptr);
        const std::string log = folder_ + "/log";
        const pid_t parent = getpid();
        const pid_t pid = fork();
        if (pid != 0)
            return pid;
        if (uid_ != 0 && (setgid(gid_) != 0 || setuid(uid_) != 0))
            _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (getppid() != parent || chdir("/") != 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
            _exit(126);
        execv(program.c_str(), argv.data());
        _exit(127);
    }

    std::string folder_;
    uid_t uid_ = 0;
    gid_t gid_ = 0;
    pid_t pid_ = -1;
    int schemas_ = 0;
};

} // namespace redoubt::store::tests

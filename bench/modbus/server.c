/* A Modbus TCP device for the benchmark: many units, holding registers that change, and counts.
 *
 *   server PORT UNITS REGISTERS
 *
 * Prints "ready" once it listens on 127.0.0.1:PORT, then answers each line of its standard input
 * with one line of JSON:
 *
 *   mode none|one|all     which registers a read changes: none, the next one in turn, every one
 *   dead UNIT             this unit never answers (0: every unit does), as behind a serial gateway
 *   set UNIT REG VALUE    fix a register; the answer says when, CLOCK_MONOTONIC nanoseconds
 *   clear                 count from now on
 *   report                what was counted since: for each unit [reads, first, last, longest gap]
 *
 * Keeps   1. One thread: a change lies wholly before a read or wholly behind it.
 *         2. Values move between 100 and 899; what `set` has fixed moves no more.
 *         3. Every request that came in one piece with others is answered in order.
 * Bounds  247 units, 125 registers, 256 connections. A client that does not take its replies is
 *         cut off. A frame that is no Modbus ends its connection.
 * Source  Modbus Messaging on TCP/IP 1.0b, section 3.1.3; Modbus Application Protocol 1.1b3, 6.3.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { UNITS = 248, REGISTERS = 125, CONNECTIONS = 256, HELD = 4096, LOW = 100, SPAN = 800 };
enum mode { NONE, ONE, ALL };

struct unit {
    uint16_t value[REGISTERS];
    char fixed[REGISTERS];
    uint64_t turn, reads, registers;
    int64_t first, last, gap;
};

struct connection {
    int fd;
    size_t held;
    unsigned char data[HELD];
};

static struct unit units[UNITS];
static struct connection connections[CONNECTIONS];
static int unit_count, register_count, dead, open_count;
static enum mode mode = ALL;
static int64_t since;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void clear(void) {
    since = now_ns();
    for (int at = 0; at < UNITS; at++) {
        struct unit *unit = &units[at];
        unit->reads = unit->registers = 0;
        unit->first = unit->last = unit->gap = 0;
    }
}

static void move_on(struct unit *unit, int reg) {
    if (!unit->fixed[reg])
        unit->value[reg] = LOW + (unit->value[reg] - LOW + 1) % SPAN;
}

static void changed_by_reading(struct unit *unit) {
    if (mode == ONE)
        move_on(unit, unit->turn % register_count);
    else if (mode == ALL)
        for (int reg = 0; reg < register_count; reg++)
            move_on(unit, reg);
    unit->turn++;
}

static void count(struct unit *unit, int registers) {
    int64_t now = now_ns();
    if (unit->reads == 0)
        unit->first = now;
    else if (now - unit->last > unit->gap)
        unit->gap = now - unit->last;
    unit->last = now;
    unit->reads++;
    unit->registers += registers;
}

/* Writes the reply to one request; returns its length, 0 for none. */
static size_t answer(const unsigned char *ask, size_t length, unsigned char *out) {
    int number = ask[6], function = ask[7], code = 0;
    int address = length >= 12 ? ask[8] << 8 | ask[9] : 0;
    int wanted = length >= 12 ? ask[10] << 8 | ask[11] : 0;
    if (number == dead && dead)
        return 0;
    memcpy(out, ask, 8);
    if (number < 1 || number > unit_count)
        code = 0x0B;
    else if (function != 3)
        code = 1;
    else if (length != 12 || wanted < 1 || wanted > 125)
        code = 3;
    else if (address + wanted > register_count)
        code = 2;
    if (code) {
        out[4] = 0, out[5] = 3;
        out[7] = function | 0x80, out[8] = code;
        return 9;
    }
    struct unit *unit = &units[number];
    out[4] = 0, out[5] = 3 + 2 * wanted;
    out[8] = 2 * wanted;
    for (int at = 0; at < wanted; at++) {
        out[9 + 2 * at] = unit->value[address + at] >> 8;
        out[10 + 2 * at] = unit->value[address + at] & 255;
    }
    count(unit, wanted);
    changed_by_reading(unit);
    return 9 + 2 * (size_t)wanted;
}

static void hang_up(struct connection *connection) {
    close(connection->fd);
    connection->fd = -1;
    open_count--;
}

static void serve(struct connection *connection) {
    ssize_t got = recv(connection->fd, connection->data + connection->held,
                       HELD - connection->held, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            hang_up(connection);
        return;
    }
    connection->held += got;
    size_t at = 0;
    while (connection->held - at >= 8) {
        const unsigned char *ask = connection->data + at;
        size_t length = 6 + (ask[4] << 8 | ask[5]);
        if (ask[2] || ask[3] || length < 8 || length > 260) {
            hang_up(connection);
            return;
        }
        if (connection->held - at < length)
            break;
        unsigned char out[260];
        size_t size = answer(ask, length, out);
        if (size && send(connection->fd, out, size, MSG_NOSIGNAL) != (ssize_t)size) {
            hang_up(connection);
            return;
        }
        at += length;
    }
    connection->held -= at;
    memmove(connection->data, connection->data + at, connection->held);
}

static void report(void) {
    uint64_t registers = 0;
    printf("{\"now_ns\": %lld, \"since_ns\": %lld, \"connections\": %d, \"units\": [",
           (long long)now_ns(), (long long)since, open_count);
    for (int at = 1; at <= unit_count; at++) {
        struct unit *unit = &units[at];
        registers += unit->registers;
        printf("%s[%llu, %lld, %lld, %lld]", at > 1 ? ", " : "", (unsigned long long)unit->reads,
               (long long)unit->first, (long long)unit->last, (long long)unit->gap);
    }
    printf("], \"registers\": %llu}\n", (unsigned long long)registers);
}

static void obey(const char *line) {
    int number, reg, value;
    char word[8];
    if (sscanf(line, "mode %7s", word) == 1) {
        mode = !strcmp(word, "all") ? ALL : !strcmp(word, "one") ? ONE : NONE;
        printf("{}\n");
    } else if (sscanf(line, "dead %d", &number) == 1) {
        dead = number;
        printf("{}\n");
    } else if (sscanf(line, "set %d %d %d", &number, &reg, &value) == 3 && number >= 1 &&
               number <= unit_count && reg >= 0 && reg < register_count) {
        units[number].value[reg] = value;
        units[number].fixed[reg] = 1;
        printf("{\"ns\": %lld}\n", (long long)now_ns());
    } else if (!strncmp(line, "clear", 5)) {
        clear();
        printf("{}\n");
    } else if (!strncmp(line, "report", 6)) {
        report();
    } else {
        printf("{\"error\": \"unknown\"}\n");
    }
    fflush(stdout);
}

/* Whole lines only: what was read of the next one waits here. Returns 0 at the end. */
static int listen_to_person(void) {
    static char held[1024];
    static size_t size;
    ssize_t got = read(0, held + size, sizeof held - 1 - size);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size += got;
    held[size] = 0;
    char *at = held, *end;
    while ((end = strchr(at, '\n'))) {
        *end = 0;
        obey(at);
        at = end + 1;
    }
    size -= at - held;
    memmove(held, at, size);
    return size < sizeof held - 1;
}

static void greet(int listener, int poller) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0)
        return;
    for (int at = 0; at < CONNECTIONS; at++)
        if (connections[at].fd < 0) {
            struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = at};
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections[at].fd = fd;
            connections[at].held = 0;
            open_count++;
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
            return;
        }
    close(fd);
}

static int open_port(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, CONNECTIONS)) {
        perror("listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 4 || (unit_count = atoi(argv[2])) < 1 || unit_count >= UNITS ||
        (register_count = atoi(argv[3])) < 1 || register_count > REGISTERS) {
        fprintf(stderr, "usage: server PORT UNITS(1-247) REGISTERS(1-125)\n");
        return 2;
    }
    for (int at = 0; at < UNITS; at++)
        for (int reg = 0; reg < REGISTERS; reg++)
            units[at].value[reg] = LOW + (at + reg) % SPAN;
    for (int at = 0; at < CONNECTIONS; at++)
        connections[at].fd = -1;
    clear();
    int listener = open_port(atoi(argv[1])), poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event one = {.events = EPOLLIN, .data.u32 = CONNECTIONS};
    struct epoll_event two = {.events = EPOLLIN, .data.u32 = CONNECTIONS + 1};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &one);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &two);
    printf("ready\n");
    fflush(stdout);
    struct epoll_event events[64];
    for (;;) {
        int ready = epoll_wait(poller, events, 64, -1);
        for (int at = 0; at < ready; at++) {
            uint32_t who = events[at].data.u32;
            if (who == CONNECTIONS)
                greet(listener, poller);
            else if (who == CONNECTIONS + 1) {
                if (!listen_to_person())
                    return 0;
            } else if (connections[who].fd >= 0)
                serve(&connections[who]);
        }
    }
}

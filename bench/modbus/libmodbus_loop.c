/* libmodbus in a loop: read every unit in turn, decode nothing. The peer in C.
 *
 *   libmodbus_loop PORT UNITS REGISTERS SECONDS
 *
 * Prints "begun" once connected, and one JSON object at the end.
 */
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    int units = atoi(argv[2]), registers = atoi(argv[3]);
    double length = atof(argv[4]);
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    modbus_t *bus = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    if (!bus || registers > MODBUS_MAX_READ_REGISTERS || modbus_connect(bus)) {
        fprintf(stderr, "not connected\n");
        return 1;
    }
    printf("begun\n");
    fflush(stdout);
    long polls = 0;
    double began = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds_of(CLOCK_MONOTONIC) < began + length)
        for (int unit = 1; unit <= units; unit++) {
            modbus_set_slave(bus, unit);
            polls += modbus_read_registers(bus, 0, registers, words) == registers;
        }
    printf("{\"polls\": %ld, \"cpu_s\": %f, \"seconds\": %f}\n", polls,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu, seconds_of(CLOCK_MONOTONIC) - began);
    modbus_close(bus);
    modbus_free(bus);
    return 0;
}

// The header is C++ too.
#include "caligo.h"

int main() {
    CaligoConfig config;
    return caligo_config_init(&config, CALIGO_STRATEGY_BLIND, 1000, -1.0) == CALIGO_STATUS_OK ? 0 : 1;
}

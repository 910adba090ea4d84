#pragma once

#include "driver/driver.h"

extern const RpDriverOps rp_driver_dir;

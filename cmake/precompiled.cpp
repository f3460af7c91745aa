// SPDX-License-Identifier: Apache-2.0
// Nothing: its library holds the precompiled header of builds for tests (redoubt.cmake).

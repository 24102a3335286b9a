/**
 * Attacks on an erased model, with controls: whether what an erasure took out can still be got out. May use report and
 * everything below it; told to the command, and by hash to the certificate.
 */
package dev.lethe.prove;

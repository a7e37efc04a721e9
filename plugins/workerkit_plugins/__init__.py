"""The built-in plugins; they import only the public names of workerkit."""

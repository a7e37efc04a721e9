"""What a `PluginContract` looks at, and how."""

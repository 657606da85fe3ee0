using System.CommandLine;

namespace Distributed.Hosting.Processes;

/// <summary>The option --allow-host of coordinators and workers.</summary>
internal static class AllowHostOption
{
    /// <summary>The option, for a command line.</summary>
    public static Option<string[]> Create() => new("--allow-host")
    {
        Description = "Name, without a port, under which metrics and page are asked for as well, as by a proxy; may be given more than once. Their own names and addresses and those of loopback are allowed in any case.",
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };
}

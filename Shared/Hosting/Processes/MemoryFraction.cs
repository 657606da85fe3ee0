using System.CommandLine;

namespace Distributed.Hosting.Processes;

/// <summary>The option --memory-fraction of coordinators and workers.</summary>
internal static class MemoryFraction
{
    public const string Name = "--memory-fraction";

    /// <summary>Leaves a margin for what grows later.</summary>
    public const double Default = 0.8;

    /// <summary>The option, for a command line.</summary>
    public static Option<double> Option(string whose)
    {
        var option = new Option<double>(Name)
        {
            Description = $"What part of the device's free memory {whose} may take where the job's batch or micro-batches is auto; above 0, to 1.",
            DefaultValueFactory = _ => Default,
        };
        option.Allow(value => value is > 0 and <= 1, "above 0, to 1");
        return option;
    }
}

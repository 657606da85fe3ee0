using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Distributed.Hosting.Processes;

internal static class AllowHostOption
{
    public static Option<string[]> Create() => new("--allow-host")
    {
        Description = "Additional host name, without a port, of metrics and page, for example behind a proxy; may be given more than once. "
            + "Their own names and addresses and those of loopback are always allowed.",
        DefaultValueFactory = _ => [],
    };
}

internal static class MemoryFraction
{
    public const string Name = "--memory-fraction";
    public const double Default = 0.8; // Leaves a margin for what grows later.

    public static Option<double> Option(string whose)
    {
        var option = new Option<double>(Name)
        {
            Description = $"Fraction of the device's free memory that {whose} may take if the job's batch or micro-batches is auto; "
                + "above 0, to 1.",
            DefaultValueFactory = _ => Default,
        };
        option.Allow(value => value is > 0 and <= 1, "above 0, to 1");
        return option;
    }
}

internal static class OptionRange
{
    public static void Within<T>(this Option<T> option, T least, T most) where T : INumber<T> =>
        option.Allow(value => value >= least && value <= most, $"{least} to {most}");

    public static void Allow<T>(this Option<T> option, Func<T, bool> isAllowed, string allowed) where T : INumber<T> =>
        option.Validators.Add(result =>
        {
            // The converted value is not available if the conversion fails, which the parser reports itself.
            foreach (var token in result.Tokens)
            {
                if (T.TryParse(token.Value, CultureInfo.InvariantCulture, out var value) && !isAllowed(value))
                    result.AddError($"{option.Name} is {token.Value}; allowed: {allowed}");
            }
        });
}

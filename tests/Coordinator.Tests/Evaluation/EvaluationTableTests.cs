using Distributed.Coordinator.Commands;
using Spectre.Console;

namespace Distributed.Coordinator.Tests.Evaluation;

public sealed class EvaluationTableTests
{
    [Fact]
    public void The_name_of_a_class_is_neither_markup_nor_reverses_the_text()
    {
        using var output = new StringWriter();
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(output), Ansi = AnsiSupport.No });
        EvaluationTable.Write(console, new()
        {
            Model = "model",
            Samples = 3,
            Loss = 1,
            Metric = "accuracy",
            TestMetric = 1,
            Workers = 1,
            Labels = ["[red]cat\u202Egod"],
            Classes = [new(3, 1, 1)],
            Confusion = [[3]],
        });
        Assert.Contains("[red]cat", output.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain('\u202E', output.ToString());
    }
}

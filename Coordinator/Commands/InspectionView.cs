using Distributed.Coordinator.Runs;
using Distributed.Core.Scores;
using Distributed.Jobs;
using Spectre.Console;

namespace Distributed.Coordinator.Commands;

internal static class InspectionView
{
    public static void Write(IAnsiConsole console, IInspection inspection)
    {
        switch (inspection)
        {
            case TensorFileInspection file:
                WriteProperties(console, Of(file));
                if (file.Tensors.Count > 0) console.Write(Tensors(file.Tensors));
                break;
            case CheckpointInspection checkpoint:
                WriteProperties(console, Of(checkpoint));
                if (checkpoint.Manifest is { } manifest) console.Write(Files(manifest.Files));
                break;
            case RunInspection run:
                WriteProperties(console, Of(run));
                if (run.Checkpoints.Count > 0) console.Write(Checkpoints(run.Checkpoints));
                break;
        }
    }

    private static IEnumerable<(string, string)> Of(TensorFileInspection file)
    {
        yield return ("safetensors", file.File);
        yield return ("size", Size(file));
        yield return ("SHA-256", file.Sha256);
        foreach (var (key, value) in file.Metadata) yield return ($"metadata {key}", value);
        if (file.NotFinite == 0) yield break;
        var names = string.Join(", ", file.Tensors.Where(t => t.Nan + t.Infinite > 0).Select(t => t.Name));
        yield return ("NOT FINITE", $"{file.NotFinite} element(s) are NaN or infinite, in {names}");
    }

    private static IEnumerable<(string, string)> Of(CheckpointInspection checkpoint)
    {
        yield return ("checkpoint", checkpoint.Folder);
        if (checkpoint.Manifest is not { } manifest) yield break;
        yield return ("step", $"{manifest.Step}, round {manifest.Round}, epoch {manifest.Epoch}");
        yield return ("test", Test(manifest));
        yield return ("digest", manifest.Digest);
        yield return ("saved", $"{manifest.SavedAt:yyyy-MM-dd HH:mm:ss zzz} by {manifest.Program}");
        yield return ("job", $"SHA-256 {manifest.JobSha256}");
    }

    private static IEnumerable<(string, string)> Of(RunInspection run)
    {
        yield return ("run", run.Folder);
        yield return ("state", run.State);
        if (run.Job is { } job)
        {
            var batch = job.Batch is { } samples ? $"{samples}" : Job.All;
            yield return ("job", $"{job.Data}; {job.Model}; {job.Epochs} epoch(s), batch {batch} in {job.MicroBatches} micro-batch(es); "
                + $"{job.Optimizer}; seed {job.Seed}");
        }
        yield return ("steps",
            run.LastStep is { } step ? $"{step.Step}, epoch {step.Epoch}, last loss {step.Loss:0.0000}" : "none recorded");
        if (run.LastEvaluation is { } evaluation)
            yield return ("test", $"{evaluation.TestMetric}, loss {evaluation.TestLoss:0.0000} after epoch {evaluation.Epoch}");
        if (run.Report is { } report)
        {
            yield return ("report", $"{report.Steps} steps in {report.Seconds:0.0} s ({report.StepsPerSecond:0.0} steps/s), "
                + $"{report.SamplesApplied} of {report.SamplesExpected} samples, train loss {report.TrainLoss:0.0000}");
            yield return ("cluster",
                $"{report.Workers} worker(s), {report.Generations} generation(s), {report.StepsRedone} step(s) redone");
            yield return ("parameters", $"SHA-256 {report.ParametersSha256}");
        }
        if (run.Model is { } model)
            yield return ("model", Size(model) + (model.NotFinite > 0 ? $", {model.NotFinite} of them NOT FINITE" : ""));
        if (run.Checkpoints.Count == 0) yield return ("checkpoints", "none");
    }

    private static Table Tensors(IEnumerable<TensorSummary> tensors)
    {
        var table = PlainTable.With("tensor", "dtype", "shape", "bytes>", "min>", "max>", "mean>", "std>", "flaws");
        foreach (var tensor in tensors)
            table.AddTexts(
                tensor.Name, tensor.DType, $"[{string.Join(", ", tensor.Shape)}]", $"{tensor.Bytes}",
                Number(tensor.Min), Number(tensor.Max), Number(tensor.Mean), Number(tensor.Std), Flaws(tensor));
        return table;
    }

    private static Table Files(IEnumerable<CheckpointFile> files)
    {
        var table = PlainTable.With("file", "bytes>", "SHA-256");
        foreach (var file in files) table.AddTexts(file.Name, $"{file.Bytes}", file.Sha256);
        return table;
    }

    private static Table Checkpoints(IEnumerable<CheckpointInspection> checkpoints)
    {
        var table = PlainTable.With("checkpoint", "step>", "epoch>", "test", "bytes>", "state");
        foreach (var checkpoint in checkpoints)
        {
            var manifest = checkpoint.Manifest;
            table.AddTexts(
                Path.GetFileName(checkpoint.Folder), $"{manifest?.Step}", $"{manifest?.Epoch}", manifest is null ? "" : Test(manifest),
                $"{manifest?.Files.Sum(file => file.Bytes)}", checkpoint.Damage.Count == 0 ? "intact" : "damaged");
        }
        return table;
    }

    private static void WriteProperties(IAnsiConsole console, IEnumerable<(string Name, string Value)> properties)
    {
        var table = PlainTable.With("", "").HideHeaders();
        foreach (var (name, value) in properties) table.AddTexts(name, value);
        console.Write(table);
    }

    private static string Size(TensorFileInspection file) =>
        file.Damage.Count > 0 ? $"{file.Bytes:#,0} bytes"
            : $"{file.Tensors.Count} tensor(s) of {file.Elements:#,0} number(s), {file.Bytes:#,0} bytes";

    private static string Test(Manifest manifest) => manifest.TestMetric is not { } value ? "not evaluated"
        : Metric.Find(manifest.Metric) is { } metric ? $"{new MetricValue(metric, value)}, loss {manifest.TestLoss:0.0000}"
        : $"{manifest.Metric} {value}, loss {manifest.TestLoss:0.0000}";

    private static string Flaws(TensorSummary tensor) => string.Join(", ",
        from flaw in new[] { (Count: tensor.Nan, Name: "NaN"), (Count: tensor.Infinite, Name: "infinite") }
        where flaw.Count > 0
        select $"{flaw.Count} {flaw.Name}");

    private static string Number(double? number) => $"{number:G4}";
}

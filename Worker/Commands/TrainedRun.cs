using System.Security.Cryptography;
using System.Text.Json;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Jobs.State;
using Distributed.Worker.Data;

namespace Distributed.Worker.Commands;

internal sealed record TrainedRun(Job Job, SafetensorsContent Model, string ModelPath, DataDescription Data)
{
    private const string ParametersSha256 = "parameters_sha256";
    private const int MaxReportBytes = 64 << 20;

    /// <exception cref="PredictException">It is not there, holds no finished run, or a file of it is damaged.</exception>
    public static TrainedRun Read(string folder)
    {
        if (!Directory.Exists(folder)) throw new PredictException($"'{folder}' does not exist; give the folder of a finished run with --run");
        var (job, model) = (Path.Combine(folder, RunFiles.Job), Path.Combine(folder, RunFiles.Model));
        if (!File.Exists(job)) throw new PredictException($"'{folder}' has no {RunFiles.Job}, so it holds no run; give the folder of a finished run with --run");
        if (!File.Exists(model))
            throw new PredictException($"'{folder}' has no {RunFiles.Model}: its run is not finished; go on with it (train --resume --run DIR), or give the folder of another");
        try
        {
            using var file = File.OpenRead(model);
            var content = Safetensors.Read(file);
            if (FaultBy(Path.Combine(folder, RunFiles.Report), content) is { } fault) throw new PredictException(Unusable(model, fault));
            var trained = TorchScriptFile.OfRun(JobFile.Load(job), folder);
            return new(trained, content, model, trained.Data is KnownData known ? DataSets.Describe(known.Name) : ReadData(Path.Combine(folder, RunFiles.Data)));
        }
        catch (JobException error)
        {
            throw new PredictException(error.Message, error);
        }
        catch (JsonException error)
        {
            throw new PredictException($"'{Path.Combine(folder, RunFiles.Report)}' is damaged: {error.Message}", error);
        }
        catch (SafetensorsException error)
        {
            throw new PredictException(Unusable(model, error.Message), error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PredictException($"'{folder}' cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Of a user's own data, which need not be there any more.</summary>
    private static DataDescription ReadData(string path)
    {
        if (!File.Exists(path)) throw new PredictException($"'{path}' does not exist, which says what the run's data is like; copy it from the folder that the run was trained in");
        if (new FileInfo(path).Length is var length and > DataDescription.MaxBytes) throw new PredictException($"'{path}' has {length} bytes; at most {DataDescription.MaxBytes} are allowed");
        try
        {
            return DataDescription.Parse(File.ReadAllText(path));
        }
        catch (FormatException error)
        {
            throw new PredictException($"'{path}' is damaged: {error.Message}", error);
        }
    }

    /// <summary>The format itself has no sum that would tell a wrong number; the report has. A model from elsewhere has no report beside it.</summary>
    private static string? FaultBy(string report, SafetensorsContent model)
    {
        if (!File.Exists(report)) return null;
        if (new FileInfo(report).Length > MaxReportBytes) throw new JsonException($"it has more than {MaxReportBytes} bytes");
        using var file = File.OpenRead(report);
        using var document = JsonDocument.Parse(file);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty(ParametersSha256, out var sum) || sum.ValueKind != JsonValueKind.String)
            throw new JsonException($"it has no {ParametersSha256}");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in model.Tensors) hash.AppendData(tensor.Data.Span);
        var found = Convert.ToHexStringLower(hash.GetHashAndReset());
        return sum.ValueEquals(found) ? null : $"the SHA-256 of its tensors is {found}; {RunFiles.Report} says {sum}";
    }

    /// <summary>Says that the model's file is not what it was.</summary>
    public static string Unusable(string path, string fault) =>
        $"'{path}' is damaged, or not of this run: {fault.TrimEnd('.')}; copy it again from where it is whole, or train again";
}
